"""The order in which items are repaired, and where they collide in it: the same whatever the order of a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semid.errors import InputError
from semid.ids import first_few
from semid.semantic_ids.codes import prefix_starts


@dataclass(frozen=True, eq=False)
class OrderedCodes:
    """Codes of n items, ordered by code, and by item id among items of one code.

    All arrays but `rows` are in this order. rows: int64 [n], the place of each item in the arrays that were given;
    codes: integers [n, L]; sizes: the codebook sizes; id_rank: int64 [n], the place of each item by its id; pinned:
    bool [n], items whose ID must not change.
    """

    rows: np.ndarray
    codes: np.ndarray
    sizes: tuple[int, ...]
    id_rank: np.ndarray
    pinned: np.ndarray

    @classmethod
    def of(cls, codes: np.ndarray, sizes: Sequence[int], item_ids: Any, pinned: np.ndarray) -> Self:
        """Order codes [n, L] of items whose ids are strings. Raises `InputError` for an id that is there twice."""
        by_id = order_of_ids(item_ids)
        id_rank = np.lexsort(codes[by_id].T[::-1])
        rows = by_id[id_rank]
        return cls(rows, codes[rows], tuple(sizes), id_rank, pinned[rows])

    def __len__(self) -> int:
        return len(self.codes)

    @cached_property
    def bucket_starts(self) -> np.ndarray:
        """int64 [buckets + 1]: where each distinct code begins, and n."""
        return self.starts(self.codes.shape[1])

    @cached_property
    def bucket_sizes(self) -> np.ndarray:
        """int64 [buckets]: the items of each distinct code."""
        return np.diff(self.bucket_starts)

    @cached_property
    def bucket_of_item(self) -> np.ndarray:
        """int64 [n]: the number of each item's code among the distinct codes."""
        return np.repeat(np.arange(len(self.bucket_sizes)), self.bucket_sizes)

    @cached_property
    def colliding(self) -> np.ndarray:
        """int64, ascending: the places of the items that share their code with another item."""
        return np.flatnonzero(self.bucket_sizes[self.bucket_of_item] > 1)

    def starts(self, depth: int) -> np.ndarray:
        """Return int64 [prefixes + 1]: where each distinct prefix of `depth` codes begins, and n."""
        return prefix_starts(self.codes, depth)


def order_of_ids(item_ids: Any) -> np.ndarray:
    """Return int64 [n]: the places of ids in the order of their bytes in UTF-8.

    Raises `InputError` for an id that is there twice.
    """
    ids = pc.cast(pa.array(item_ids) if not isinstance(item_ids, pa.Array) else item_ids, pa.large_string())
    order = pc.sort_indices(ids).to_numpy().astype(np.int64)
    ordered = ids.take(pa.array(order))
    repeated = pc.equal(ordered[1:], ordered[:-1])
    if pc.any(repeated).as_py():
        raise InputError(f"more than one code for {first_few(ordered[1:].filter(repeated))}; give each item one")
    return order
