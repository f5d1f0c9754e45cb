"""Histories of users as sequences of items, and batches of sequences of about one length."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from semid.errors import InputError
from semid.interactions import Interactions
from semid.retrieval.ragged import Ragged, concatenated_ranges, offsets_of

# In a batch, what stands behind the end of a sequence.
PADDING = -1


def training_sequences(interactions: Interactions) -> Ragged:
    """Return the items that each user of the training split had, in time order, int64, of users with two or more.

    Raises InputError where there is no such user, since a model learns from one item to the next.
    """
    rows = np.flatnonzero((interactions.split == 0) & (interactions.item >= 0))
    rows = rows[np.argsort(interactions.user[rows], kind="stable")]
    lengths = np.bincount(interactions.user[rows])
    starts = offsets_of(lengths)[:-1]
    long_enough = lengths > 1
    if not long_enough.any():
        raise InputError(
            "no user has two items in the training split: a generator learns from one item to the next, so give it "
            "longer histories, or a split that leaves more of them"
        )
    places = concatenated_ranges(starts[long_enough], (starts + lengths)[long_enough])
    return Ragged(interactions.item[rows[places]].astype(np.int64), offsets_of(lengths[long_enough]))


def last_items(sequences: Ragged, most: int) -> Ragged:
    """Return the last `most` items of every sequence."""
    stop = sequences.offsets[1:]
    start = np.maximum(sequences.offsets[:-1], stop - most)
    return Ragged(sequences.values[concatenated_ranges(start, stop)], offsets_of(stop - start))


def training_windows(sequences: Ragged, history: int) -> Ragged:
    """Return sequences cut into pieces of at most `history` + 1 items, of which the last is the end of the sequence.

    The first item of a piece is the last of the one before, so that every item but the first of a sequence is a target
    once.
    """
    pieces = -(-(sequences.lengths - 1) // history)
    of_sequence = np.repeat(np.arange(len(sequences)), pieces)
    behind = concatenated_ranges(np.zeros(len(pieces), np.int64), pieces)
    stop = sequences.offsets[1:][of_sequence] - behind * history
    start = np.maximum(sequences.offsets[:-1][of_sequence], stop - history - 1)
    return Ragged(sequences.values[concatenated_ranges(start, stop)], offsets_of(stop - start))


def padded_rows(sequences: Ragged, rows: np.ndarray) -> Tensor:
    """Return int64 [rows, longest]: the sequences of these rows, each from the left, with PADDING behind its end."""
    start, stop = sequences.offsets[rows], sequences.offsets[rows + 1]
    lengths = stop - start
    table = np.full((len(rows), int(lengths.max())), PADDING, np.int64)
    table[np.arange(table.shape[1]) < lengths[:, None]] = sequences.values[concatenated_ranges(start, stop)]
    return torch.from_numpy(table)


def length_batches(
    lengths: np.ndarray, positions: int, generator: np.random.Generator | None = None
) -> Iterator[np.ndarray]:
    """Yield rows in batches of about `positions` items, padding included; sequences of about one length go together.

    lengths: integers [sequences], above 0. With a `generator` sequences of one length are shuffled, and so are the
    batches; without one, batches come in order of length.
    """
    noise = generator.random(len(lengths)) * 0.9 if generator is not None else np.zeros(len(lengths))
    order = np.argsort(lengths + noise, kind="stable")
    batches, start = [], 0
    while start < len(order):
        # lengths ascend, so that no batch has more sequences than would fill it at the length of its first
        first = lengths[order[start : start + positions // lengths[order[start]] + 1]]
        filled = np.flatnonzero(np.arange(1, len(first) + 1) * first >= positions)
        stop = start + (int(filled[0]) + 1 if len(filled) else len(first))
        batches.append(order[start:stop])
        start = stop
    if generator is not None:
        generator.shuffle(batches)
    yield from batches
