"""Where codes collide: items that share a prefix, the whole code, or the code and the embedding."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from semid.scorecard.card import SharedPrefix


@dataclass(frozen=True)
class Collisions:
    """Items that share the first code, the first two, …, the whole code: an entry of `prefixes` each.

    items_sharing_embedding: items that share the whole code and the embedding.
    """

    prefixes: tuple[SharedPrefix, ...]
    items_sharing_embedding: int


def count_collisions(codes: np.ndarray, groups: np.ndarray) -> Collisions:
    """Count the collisions of `codes [n, L]`; `groups [n]` numbers the distinct embeddings. Both are sorted once."""
    order = np.lexsort([groups, *codes.T[::-1]]).astype(np.int32)
    *prefixes, identical = _run_lengths(column[order] for column in (*codes.T, groups))
    return Collisions(
        tuple(_shared_prefix(depth, lengths) for depth, lengths in enumerate(prefixes, start=1)),
        int(identical[identical > 1].sum()),
    )


def _shared_prefix(depth: int, sizes: np.ndarray) -> SharedPrefix:
    """Return the figures of prefixes that `sizes`, int64 [prefixes], items have."""
    n = int(sizes.sum())
    return SharedPrefix(
        depth=depth,
        distinct=len(sizes),
        items_sharing=int(sizes[sizes > 1].sum()),
        largest=int(sizes.max()),
        chance=int((sizes * (sizes - 1)).sum()) / (n * (n - 1)) if n > 1 else None,
    )


def _run_lengths(ordered_columns: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield for each column the lengths of the runs of rows that are equal in it and in all columns before it.

    The columns [n] are those of a table that is sorted by them.
    """
    starts: np.ndarray | None = None
    for column in ordered_columns:
        if starts is None:
            starts = np.zeros(len(column) + 1, bool)
            starts[[0, -1]] = True
        starts[1:-1] |= column[1:] != column[:-1]
        yield np.diff(np.flatnonzero(starts))
