"""The user's own vectors, brought into the order of the item table."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from semid.embeddings.own_ids import id_batches, id_file, read_ids, refuse_repeated_ids
from semid.embeddings.settings import OwnVectors
from semid.embeddings.store import block_rows, cast, new_part
from semid.errors import InputError
from semid.files import column_list, first_line, open_array
from semid.ids import BROKEN, SHOWN, first_few, reading_table
from semid.items import count_items, how_to_leave_out, item_ids
from semid.progress import Progress

logger = logging.getLogger(__name__)


def align(settings: OwnVectors, item_ids: Any, items_path: str | Path | None = None, start: int = 0) -> np.ndarray:
    """For every item of `item_ids` (strings) the row of its vector: int64 `[items]`.

    Ids compare as strings and are read in batches: memory follows `item_ids`, not the number of vectors. Raises
    `InputError` when there are not as many ids as vectors, and when an item has no vector or more than one. The items
    are those of the table `items_path` from row `start` on, by which the message says how to leave some out.
    """
    path = id_file(settings)
    items = pc.cast(pa.array(item_ids), pa.large_string())
    rows = np.full(len(items), -1, np.int64)
    repeated = np.zeros(len(items), bool)
    shown: list[str] = []
    row = 0
    for batch in id_batches(settings):
        found = pc.index_in(batch, value_set=items)
        places = pc.drop_null(found).to_numpy()
        of_batch = row + np.flatnonzero(found.is_valid().to_numpy(zero_copy_only=False))
        repeated[places[rows[places] >= 0]] = True
        rows[places] = of_batch
        repeated[places[rows[places] != of_batch]] = True
        shown = shown or batch[: SHOWN + 1].to_pylist()
        row += len(batch)
    if row != (vectors := _count_vectors(settings)):
        raise InputError(_too_few_ids(settings, vectors, row))
    refuse_repeated_ids(path, items.filter(pa.array(repeated)))
    missing = items.filter(pa.array(rows < 0))
    if len(missing) == len(items) > 0:
        raise InputError(
            f"{path}: none of its {row} ids is one of these {len(items)} items: ids {first_few(shown)}; "
            f"items {first_few(items)}"
        )
    if len(missing):
        raise InputError(
            f"{path}: {len(missing)} of {len(items)} items have no vector: {first_few(missing)}; "
            f"add their vectors or {how_to_leave_out(items_path, start + np.flatnonzero(rows < 0))}"
        )
    return rows


def read_own_vectors(settings: OwnVectors) -> tuple[list[str], np.ndarray]:
    """Return all ids of the user's vectors and the vectors [n, dim], in the order of their file.

    Vectors of a `.npy` stay on disk until rows are read, and those of a table come into memory as float32. Raises
    `InputError` as :func:`gather_own_vectors` does.
    """
    ids = read_ids(settings)
    if settings.table is None:
        assert settings.vectors is not None
        vectors = read_rows(settings.vectors)
    else:
        dim = _table_dim(settings.table, settings.vector_column)
        vectors = np.empty((_count_vectors(settings), dim), np.float32)
        for places, block in _table_blocks(settings.table, settings.vector_column, dim, np.arange(len(vectors))):
            vectors[places] = block
    if len(vectors) != len(ids):
        raise InputError(_too_few_ids(settings, len(vectors), len(ids)))
    return ids, vectors


def _too_few_ids(settings: OwnVectors, vectors: int, ids: int) -> str:
    return (
        f"{settings.vectors}: {vectors} vectors, but {settings.ids} holds {ids} ids; expected one id "
        "a vector, in the same order (the first line of a .csv is its header)"
    )


def _count_vectors(settings: OwnVectors) -> int:
    if settings.table is not None:
        with reading_table(settings.table, "vectors"):
            return pq.read_metadata(settings.table).num_rows
    assert settings.vectors is not None
    return len(read_rows(settings.vectors))


def read_rows(path: Path) -> np.ndarray:
    """Open the vectors [n, dim] of a `.npy`, which stay on disk. Raises `InputError` for anything else."""
    vectors = open_array(path, "fiu", "one array of numbers [vectors, width]")
    if not vectors.shape[1]:
        raise InputError(f"{path}: vectors of width 0")
    return vectors


def _table_type(path: Path, column: str) -> pa.DataType:
    with reading_table(path, "vectors"):
        schema = pq.read_schema(path)
    if column not in schema.names:
        raise InputError(f"{path}: no column {column!r}; its columns are {column_list(schema.names)}")
    kind = schema.field(column).type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not is_list or not (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        raise InputError(f"{path}: column {column!r} is {kind}; expected a list of numbers in every row")
    return kind


def _table_dim(path: Path, column: str) -> int:
    kind = _table_type(path, column)
    if pa.types.is_fixed_size_list(kind):
        return kind.list_size
    with reading_table(path, f"column {column!r}"), pq.ParquetFile(path) as file:
        first = next(file.iter_batches(1, columns=[column])).column(0)[0].as_py()
    if not first:
        raise InputError(f"{path}: row 0 of column {column!r} holds no vector")
    return len(first)


def _next_batch(batches: Iterator[pa.RecordBatch], path: Path, column: str) -> pa.RecordBatch | None:
    try:
        return next(batches, None)
    except BROKEN as error:
        raise InputError(
            f"{path}: cannot read column {column!r}: {first_line(error)} "
            "(a fixed-size list needs a vector in every row)"
        ) from None


def _table_blocks(path: Path, column: str, dim: int, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks of (places, vectors) of a parquet table, where `rows[places]` are rows of the table, in its order."""
    order = np.argsort(rows)
    ordered = rows[order]
    with reading_table(path, f"column {column!r}"), pq.ParquetFile(path) as file:
        row = 0
        for group in range(file.num_row_groups):
            group_end = row + file.metadata.row_group(group).num_rows
            low, high = np.searchsorted(ordered, [row, group_end])
            if low == high:
                row = group_end
                continue
            batches = file.iter_batches(block_rows(dim), row_groups=[group], columns=[column])
            while (batch := _next_batch(batches, path, column)) is not None:
                lists = batch.column(0)
                lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
                if (lengths != dim).any():
                    at = int(np.argmax(lengths != dim))
                    raise InputError(
                        f"{path}: row {row + at} of column {column!r} holds {lengths[at]} values; "
                        f"expected {dim}, as in row 0"
                    )
                # nulls inside a list become NaN, which the cast to the store reports
                values = lists.flatten().to_numpy(zero_copy_only=False).reshape(-1, dim)
                low, high = np.searchsorted(ordered, [row, row + len(lists)])
                yield order[low:high], values[ordered[low:high] - row]
                row += len(lists)


def gather_own_vectors(settings: OwnVectors, items_path: str | Path, start: int, stop: int, output: str | Path) -> None:
    """Write the part of the items `start:stop` of `items.parquet` from the user's vectors, block by block.

    Holds the ids of these items and one batch of ids and of vectors in memory; of ids in a `.json` all. Raises
    `InputError` as :func:`align` does, and for vectors that are not as many as their ids, not of one width, not finite
    or too large for the store's dtype.
    """
    ids = item_ids(items_path, start, stop)
    rows = align(settings, ids, items_path, start)
    blocks: Iterator[tuple[np.ndarray, np.ndarray]]
    if settings.table is not None:
        dim = _table_dim(settings.table, settings.vector_column)
        blocks = _table_blocks(settings.table, settings.vector_column, dim, rows)
    else:
        assert settings.vectors is not None
        vectors = read_rows(settings.vectors)
        dim = vectors.shape[1]
        step = block_rows(dim)
        blocks = (
            (np.arange(begin, min(begin + step, len(rows))), vectors[rows[begin : begin + step]])
            for begin in range(0, len(rows), step)
        )
    source = str(settings.vectors or settings.table)
    count, items = _count_vectors(settings), count_items(items_path)
    if count > items:
        logger.warning("%s: %d vectors for %d items: vectors of no item are left out", source, count, items)
    with new_part(output, len(rows), dim, settings.dtype) as part, Progress(len(rows), "own vectors") as progress:
        for places, block in blocks:
            if settings.normalize:
                block = block.astype(np.float64)
                length = np.linalg.norm(block, axis=1, keepdims=True)
                block /= np.where(length > 0, length, 1)
            part[places] = cast(block, settings.dtype, places, ids, source)
            progress.update(len(places))
