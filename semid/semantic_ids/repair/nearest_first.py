"""Items to prefixes that have room for so many of them, nearest first."""

from collections.abc import Callable

import numpy as np


def nearest_first(
    room: np.ndarray,
    rank: np.ndarray,
    distances: Callable[[np.ndarray], np.ndarray],
    rows_at_once: int,
) -> np.ndarray:
    """Return int64 [m]: the prefix of each of m items, or −1 where no prefix has room for it.

    room: int64 [P], the items that each prefix can take; rank: int64 [m], the order of items; `distances(rows)` gives
    float64 [rows, P], the distance of items to all prefixes.

    Of all pairs of an item and a prefix, the nearest pair is joined first, then the nearest of those whose item is not
    joined and whose prefix has room, and so on; of pairs equally near, the one whose item ranks first, and then the
    lower prefix. That is the one stable matching of these distances, which is found without the m × P pairs in memory:
    every item asks its nearest prefix, a prefix keeps the nearest of all that ask, and whom it refuses asks the next.
    """
    joined = np.full(len(rank), -1, np.int64)
    held = np.full(len(rank), np.inf)
    # what a full prefix keeps at most: a pair must be nearer, or as near and of an earlier item
    furthest, last_rank = np.full(len(room), np.inf), np.full(len(room), np.iinfo(np.int64).max)
    furthest[room == 0], last_rank[room == 0] = -np.inf, -1
    asking = np.arange(len(rank))
    while len(asking):
        asked = [
            _asked(distances(block), rank[block], furthest, last_rank)
            for block in np.array_split(asking, range(rows_at_once, len(asking), rows_at_once))
        ]
        prefix, distance = (np.concatenate(columns) for columns in zip(*asked, strict=True))
        joined[asking], held[asking] = prefix, distance
        members = np.flatnonzero(joined >= 0)
        members = members[np.lexsort((rank[members], held[members], joined[members]))]
        of_prefix = np.bincount(joined[members], minlength=len(room))
        first = np.cumsum(of_prefix) - of_prefix
        is_refused = np.arange(len(members)) - first[joined[members]] >= room[joined[members]]
        asking = np.sort(members[is_refused])
        full = np.flatnonzero((of_prefix >= room) & (room > 0))
        last_kept = members[first[full] + room[full] - 1]
        furthest[full], last_rank[full] = held[last_kept], rank[last_kept]
        joined[asking] = -1
    return joined


def _asked(
    distances: np.ndarray, rank: np.ndarray, furthest: np.ndarray, last_rank: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest prefix of each item that would keep it, or −1, and how near it is."""
    is_kept = (distances < furthest) | ((distances == furthest) & (rank[:, None] < last_rank))
    allowed = np.where(is_kept, distances, np.inf)
    nearest = allowed.argmin(axis=1)
    distance = allowed[np.arange(len(rank)), nearest]
    return np.where(is_kept.any(axis=1), nearest, -1), distance
