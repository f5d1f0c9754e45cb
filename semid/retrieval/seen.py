"""What queries have seen: the items of their histories, which are never candidates."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from semid.retrieval.ragged import Ragged, distinct_pairs, offsets_of


@dataclass(frozen=True, eq=False)
class Seen:
    """Distinct (query, item) pairs of the histories of a block of queries, sorted by query, then item.

    owner: int64 [pairs], the query, counted from 0 in the block; item: int64 [pairs], below `num_items`.
    """

    owner: np.ndarray
    item: np.ndarray
    num_queries: int
    num_items: int

    @classmethod
    def of(cls, history: Ragged, num_items: int) -> Self:
        """The pairs of histories, which may be in any order and name an item repeatedly."""
        owner, item = distinct_pairs(history.owner, history.values, num_items)
        return cls(owner, item, len(history), num_items)

    @cached_property
    def keys(self) -> np.ndarray:
        """int64 [pairs], ascending: each pair as one number."""
        return self.owner * self.num_items + self.item

    @cached_property
    def counts(self) -> np.ndarray:
        """int64 [queries]: how many items each query has seen."""
        return np.bincount(self.owner, minlength=self.num_queries)

    def of_queries(self, chosen: slice | np.ndarray) -> Self:
        """The pairs of some queries, which are counted anew; chosen: a slice with both ends, or bool [queries]."""
        if isinstance(chosen, slice):
            rows = slice(*np.searchsorted(self.owner, [chosen.start, chosen.stop]))
            return type(self)(
                self.owner[rows] - chosen.start, self.item[rows], chosen.stop - chosen.start, self.num_items
            )
        kept = chosen[self.owner]
        number = np.cumsum(chosen) - 1
        return type(self)(number[self.owner[kept]], self.item[kept], int(chosen.sum()), self.num_items)

    def lacks(self, owner: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Bool [pairs]: whether the query `owner` has not seen the item; both int64 [pairs], in any order."""
        keys = owner * self.num_items + items
        if not len(self.keys):
            return np.ones(len(keys), bool)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return self.keys[place] != keys


def first_unseen(owner: np.ndarray, items: np.ndarray, seen: Seen, queries: slice, budget: int) -> Ragged:
    """Return the first `budget` items of each of `queries` that it has not seen, int32, in the order given.

    owner, items: int64 [pairs], sorted by owner, which is counted from `queries.start`; seen: of all queries.
    """
    unseen = seen.lacks(owner + queries.start, items)
    owner, items = owner[unseen], items[unseen]
    lengths = np.bincount(owner, minlength=queries.stop - queries.start)
    within = np.arange(len(owner)) - offsets_of(lengths)[owner] < budget
    return Ragged(items[within].astype(np.int32), offsets_of(np.minimum(lengths, budget)))
