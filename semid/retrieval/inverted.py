"""The inverted index: which items share a semantic ID, or a prefix of one."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from semid.errors import InputError
from semid.files import load_array, write_array
from semid.items import CoreItems
from semid.statistics.entropy import entropy_bits

FIELDS = ("codes", "offsets", "items")


@dataclass(frozen=True, eq=False)
class BucketGroups:
    """Buckets whose codes agree at some levels.

    `members[offsets[g]:offsets[g + 1]]` are the buckets of group `g`, and `group_of_bucket[b]` is the group of bucket
    `b`.
    """

    members: np.ndarray
    offsets: np.ndarray
    group_of_bucket: np.ndarray

    @classmethod
    def build(cls, codes: np.ndarray, positions: list[int]) -> Self:
        """Group the rows of `codes` [buckets, L] by their values at `positions`."""
        kept = codes[:, positions]
        # A prefix of sorted rows is sorted already, and lexsort is stable, so that `members` is then 0, 1, 2, …
        members = np.lexsort(kept.T[::-1]) if positions else np.arange(len(codes))
        members = members.astype(np.int32)
        offsets = _run_offsets(kept, members)
        group_of_bucket = np.empty(len(codes), np.int32)
        group_of_bucket[members] = np.repeat(np.arange(len(offsets) - 1, dtype=np.int32), np.diff(offsets))
        return cls(members, offsets, group_of_bucket)


@dataclass(frozen=True, eq=False)
class InvertedIndex:
    """Items grouped by their code (a *bucket* is a code that occurs), buckets in lexicographic order.

    codes: unsigned integers [buckets, L], distinct rows, sorted lexicographically.
    offsets: int64 [buckets + 1]; bucket `b` holds `items[offsets[b]:offsets[b + 1]]`.
    items: int32 [n], item indices grouped by bucket, ascending within one.
    """

    codes: np.ndarray
    offsets: np.ndarray
    items: np.ndarray

    @classmethod
    def build(cls, codes: np.ndarray) -> Self:
        """Index `codes`, integers [n, L] whose row `i` is the code of item `i`; O(n log n).

        Beside `codes` memory holds, while they are sorted, two int64 an item, and then the index.

        Raises InputError when `codes` is not a table of integers with at least one row and one level.
        """
        codes = np.asarray(codes)
        if codes.ndim != 2 or 0 in codes.shape or codes.dtype.kind not in "iu":
            raise InputError(
                f"the codes have shape {codes.shape} and type {codes.dtype}, expected integers [items, levels] "
                "with at least one of each: encode the items again"
            )
        items = np.lexsort(codes.T[::-1]).astype(np.int32)
        offsets = _run_offsets(codes, items)
        return cls(codes[items[offsets[:-1]]], offsets, items)

    def save(self, folder: str | Path) -> None:
        """Write `codes.npy`, `offsets.npy` and `items.npy` into `folder`, each whole."""
        for field in FIELDS:
            write_array(Path(folder) / f"{field}.npy", getattr(self, field))

    @classmethod
    def load(cls, folder: str | Path, core: CoreItems | None = None) -> Self:
        """Memory-map what :meth:`save` wrote; InputError when a file is missing, broken or of another index.

        With `core`, items get their numbers among the core items instead of their rows in the item table. An index that
        does not hold every row of the table, since some items are not in the core, can only be read in this way.
        """
        remedy = ": build the inverted index again"
        index = cls(*(load_array(Path(folder) / f"{field}.npy", remedy) for field in FIELDS))
        if index._has_whole_buckets():
            index = index if core is None else replace(index, items=core.numbers(index.items))
            if index._names_each_item_once(len(index.items) if core is None else len(core)):
                return index
        raise InputError(f"the three files in {folder} are not of one inverted index{remedy}")

    def _has_whole_buckets(self) -> bool:
        """Return whether the arrays have the types and shapes of an index, whose buckets follow each other."""
        arrays = (self.codes, self.offsets, self.items)
        if not all(isinstance(array, np.ndarray) and array.dtype.kind in "iu" and array.size for array in arrays):
            return False
        return bool(
            (self.codes.ndim, self.items.ndim) == (2, 1)
            and self.offsets.shape == (len(self.codes) + 1,)
            and (self.offsets[0], self.offsets[-1]) == (0, len(self.items))
            and (self.offsets[1:] > self.offsets[:-1]).all()
            and self.items.min() >= 0
        )

    def _names_each_item_once(self, num_items: int) -> bool:
        if len(self.items) != num_items or not 0 <= self.items.min() <= self.items.max() < num_items:
            return False
        is_there = np.zeros(num_items, bool)
        is_there[self.items] = True
        return bool(is_there.all())

    @property
    def num_items(self) -> int:
        """Number of items in the index."""
        return len(self.items)

    @property
    def num_buckets(self) -> int:
        """Number of distinct codes."""
        return len(self.codes)

    @property
    def num_levels(self) -> int:
        """Length L of a code."""
        return self.codes.shape[1]

    @cached_property
    def bucket_sizes(self) -> np.ndarray:
        """int64 [buckets], items of each bucket."""
        return np.diff(self.offsets)

    @cached_property
    def bucket_of_item(self) -> np.ndarray:
        """int32 [n], the bucket of every item."""
        buckets = np.empty(self.num_items, np.int32)
        buckets[self.items] = np.repeat(np.arange(self.num_buckets, dtype=np.int32), self.bucket_sizes)
        return buckets

    @cached_property
    def position_of_item(self) -> np.ndarray:
        """int32 [n], where every item stands in `items`."""
        positions = np.empty(self.num_items, np.int32)
        positions[self.items] = np.arange(self.num_items, dtype=np.int32)
        return positions

    @cached_property
    def prefix_groups(self) -> tuple[BucketGroups, ...]:
        """Entry `d - 1`: buckets grouped by the first `d` levels. Each group is a contiguous run of buckets.

        The items of group `g` are therefore `items[offsets[groups.offsets[g]]:offsets[groups.offsets[g + 1]]]`.
        """
        return tuple(BucketGroups.build(self.codes, list(range(depth))) for depth in range(1, self.num_levels + 1))

    @cached_property
    def wildcard_groups(self) -> tuple[BucketGroups, ...]:
        """Entry `l`: buckets grouped by every level but `l`."""
        levels = range(self.num_levels)
        return tuple(BucketGroups.build(self.codes, [level for level in levels if level != free]) for free in levels)

    def entropy_bits(self) -> float:
        """Return the sum over levels of the entropy of the codes of a level over items, in bits."""
        return sum(entropy_bits(np.bincount(column, weights=self.bucket_sizes)) for column in self.codes.T)


def _run_offsets(rows: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return int64 [runs + 1]: where runs of equal rows begin in `rows[order]`, which is sorted, and its length."""
    starts = np.zeros(len(order) + 1, bool)
    starts[[0, -1]] = True
    for column in rows.T:
        ordered = column[order]
        starts[1:-1] |= ordered[1:] != ordered[:-1]
    return np.flatnonzero(starts)
