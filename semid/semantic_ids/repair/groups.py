"""What a repair moves: the items of each prefix that share their code, and where they go."""

from dataclasses import dataclass

import numpy as np

from semid.semantic_ids.repair.order import OrderedCodes


@dataclass(eq=False)
class Moves:
    """Where the items go that may move: those that share their code and are not pinned, m of them, in their order.

    places: int64 [m], their places among the ordered codes; codes: int64 [m, 2], the last two codes that they get;
    fits: bool [m], False where no room was left, and the code stays; squared: float64 [m, 2], the squared distances of
    an item to its new and to its old code, or None without vectors.
    """

    places: np.ndarray
    codes: np.ndarray
    fits: np.ndarray
    squared: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Groups:
    """The items that share all codes but the last, group by group, as ranges of buckets and of items that may move.

    first_bucket, first_mover: int64 [groups + 1]; contested: bool [buckets], whether items that may move share the
    code, and none is pinned to it; overfull: bool [groups], whether there are more such items than codes for them.
    """

    first_bucket: np.ndarray
    first_mover: np.ndarray
    contested: np.ndarray
    overfull: np.ndarray

    @classmethod
    def of(cls, items: OrderedCodes, places: np.ndarray) -> "Groups":
        """Find the groups of ordered codes; `places` are the items that may move."""
        starts = items.starts(items.codes.shape[1] - 1)
        buckets = np.searchsorted(items.bucket_starts, starts)
        movers = np.searchsorted(places, starts)
        is_pinned = np.bincount(items.bucket_of_item[items.pinned], minlength=len(items.bucket_sizes)) > 0
        contested = (items.bucket_sizes > 1) & ~is_pinned
        held = np.add.reduceat(~contested, buckets[:-1], dtype=np.int64) if len(starts) > 1 else np.empty(0, np.int64)
        return cls(buckets, movers, contested, np.diff(movers) > items.sizes[-1] - held)

    @property
    def to_repair(self) -> np.ndarray:
        """int64: the groups that have items to move, and room for them."""
        return np.flatnonzero((np.diff(self.first_mover) > 0) & ~self.overfull)
