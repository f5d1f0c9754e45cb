"""The first items of every query, ordered by score, and items of one score by ascending index."""

import numpy as np

from semid.retrieval.ragged import Ragged, concatenated_ranges, offsets_of
from semid.retrieval.seen import Seen, first_unseen


def first_places(owner: np.ndarray, items: np.ndarray, scores: np.ndarray, depth: int) -> np.ndarray:
    """Return int64 indices into `owner`: the best `depth` candidates of each owner, sorted by owner, the best first.

    owner: integers [candidates], 0 … 2^31 - 1, in any order; items: integers [candidates]; scores: float32, or integers
    below 2^31 [candidates]. Nearly all candidates are dropped by one sort of integers, before items are looked at.
    """
    if not len(owner):
        return np.empty(0, np.int64)
    keys = (owner.astype(np.int64) << 32) + _descending(scores)
    counts = np.bincount(owner)
    last = offsets_of(counts)[:-1] + np.minimum(depth, counts) - 1
    # The threshold of an owner without candidates is never read.
    thresholds = np.sort(keys)[np.minimum(last, len(keys) - 1)]
    kept = np.flatnonzero(keys <= thresholds[owner])
    kept = kept[np.lexsort((items[kept], keys[kept]))]
    counts = np.bincount(owner[kept])
    return kept[np.arange(len(kept)) - offsets_of(counts)[owner[kept]] < depth]


def first_ranked(owner: np.ndarray, items: np.ndarray, scores: np.ndarray, num_queries: int, depth: int) -> np.ndarray:
    """Return int32 [num_queries, depth]: the first items of every query as in :func:`first_places`, -1 beyond them."""
    places = first_places(owner, items, scores, depth)
    lengths = np.bincount(owner[places], minlength=num_queries)
    return padded(Ragged(items[places], offsets_of(lengths)), depth)


def padded(lists: Ragged, depth: int) -> np.ndarray:
    """Return int32 [lists, depth] of lists of at most `depth` values, with -1 behind their end."""
    table = np.full((len(lists), depth), -1, np.int32)
    place = np.arange(len(lists.values)) - np.repeat(lists.offsets[:-1], lists.lengths)
    table[lists.owner, place] = lists.values
    return table


def first_unseen_of_all(items: np.ndarray, seen: Seen, depth: int) -> Ragged:
    """Return the first `depth` of all items, int64 [n] in their order, that each query has not seen."""
    needed = np.minimum(depth + seen.counts, len(items))
    first = items[concatenated_ranges(np.zeros(len(needed), np.int64), needed)]
    return first_unseen(np.repeat(np.arange(len(needed)), needed), first, seen, slice(0, len(needed)), depth)


def _descending(scores: np.ndarray) -> np.ndarray:
    """Return int64 [n], 0 … 2^32 - 1: smaller numbers for larger scores, and the same for equal ones."""
    if scores.dtype.kind == "f":
        # Adding 0 turns -0 into 0. The bits of negative numbers grow as the numbers fall.
        bits = (scores.astype(np.float32, copy=False) + np.float32(0)).view(np.int32).astype(np.int64)
        scores = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    return 0x7FFFFFFF - scores.astype(np.int64, copy=False)
