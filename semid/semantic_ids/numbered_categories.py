"""Paths of categories as numbers, a level for each step."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semid.items import item_batches

MAX_LEVELS = 4
ROWS_AT_ONCE = 1 << 16


def numbered_categories(items_path: str | Path, max_levels: int = MAX_LEVELS, core_only: bool = False) -> np.ndarray:
    """Return codes [n, L] of the n items of `items.parquet`, in the smallest unsigned dtype: a level for each step.

    `categories` are paths from the widest to the narrowest category. L is the depth of the deepest path, at least 1 and
    at most `max_levels`. The names of each level are numbered from 1 in their order; 0 stands where the path has ended,
    so that items without categories share the code of zeros. With `core_only`, the table has no other items.
    """
    columns: list[list[pa.Array]] = [[] for _ in range(max_levels)]
    read = ["categories", "in_core"] if core_only else ["categories"]
    for batch in item_batches(items_path, read, rows_at_once=ROWS_AT_ONCE):
        paths = batch.column("categories")
        if core_only:
            paths = paths.filter(batch.column("in_core"))
        depths = pc.fill_null(pc.list_value_length(paths), 0).to_numpy()
        starts = paths.offsets.to_numpy()[:-1]
        for level, column in enumerate(columns):
            # A place beyond the end of a path is masked, which makes its name null.
            places = pa.array(starts + level, mask=depths <= level)
            column.append(paths.values.take(places).dictionary_encode())
    codes = [_numbers_by_name(pa.chunked_array(column, pa.dictionary(pa.int32(), pa.string()))) for column in columns]
    depth = max([level for level, column in enumerate(codes, start=1) if column.any()], default=1)
    stacked = np.stack(codes[:depth], axis=1)
    return stacked.astype(np.min_scalar_type(stacked.max(initial=0)))


def _numbers_by_name(names: pa.ChunkedArray) -> np.ndarray:
    """Return int64 [n]: the number of each name in the order of the distinct names, from 1; 0 for null."""
    unified = names.unify_dictionaries().combine_chunks()
    rank = np.empty(len(unified.dictionary) + 1, np.int64)
    rank[0] = 0
    rank[1 + pc.sort_indices(unified.dictionary).to_numpy()] = np.arange(1, len(rank))
    return rank[pc.fill_null(unified.indices, -1).to_numpy() + 1]
