"""The user's own vectors, brought into the order of the item table."""

import csv
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from semid.embeddings.settings import OwnVectors
from semid.embeddings.store import block_rows, cast, new_part
from semid.errors import InputError
from semid.files import open_array
from semid.progress import Progress

logger = logging.getLogger(__name__)

ID_COLUMN = "item_id"
SHOWN = 5


def _first(ids: Any) -> str:
    shown = [str(name) for name in ids[:SHOWN]]
    return ", ".join(map(repr, shown)) + (", …" if len(ids) > SHOWN else "")


def _id_column(path: Path, names: list[str]) -> str:
    if ID_COLUMN in names:
        return ID_COLUMN
    if len(names) == 1:
        return names[0]
    raise InputError(f"{path}: no column {ID_COLUMN!r}; its columns are {', '.join(names)}")


def _as_strings(path: Path, ids: pa.ChunkedArray) -> pa.Array:
    kind = ids.type.value_type if pa.types.is_dictionary(ids.type) else ids.type
    if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise InputError(f"{path}: ids are {kind}; expected strings or whole numbers")
    strings = pc.cast(ids, pa.large_string())
    array = strings.combine_chunks() if isinstance(strings, pa.ChunkedArray) else strings
    empty = pc.or_kleene(pc.is_null(array), pc.equal(array, ""))
    if pc.any(empty).as_py():
        raise InputError(f"{path}: the id in row {pc.index(pc.fill_null(empty, True), True).as_py()} is empty")
    return array


def _text_ids(path: Path) -> pa.ChunkedArray:
    with path.open(encoding="utf-8-sig") as file:
        return pa.chunked_array([pa.array((line.rstrip("\n") for line in file), pa.large_string())])


def _csv_ids(path: Path) -> pa.ChunkedArray:
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = next(csv.reader(file), [])
    column = _id_column(path, header)
    options = pa.csv.ConvertOptions(
        column_types={column: pa.large_string()}, include_columns=[column], strings_can_be_null=False
    )
    parse = pa.csv.ParseOptions(newlines_in_values=True)
    return pa.csv.read_csv(path, parse_options=parse, convert_options=options)[column]


def _npy_ids(path: Path) -> pa.ChunkedArray:
    ids = np.load(path, allow_pickle=False)
    if ids.ndim != 1 or ids.dtype.kind not in "iuSU":
        raise InputError(
            f"{path}: ids are {ids.dtype} {list(ids.shape)}; expected one dimension of strings or integers"
        )
    if ids.dtype.kind == "S":
        ids = np.char.decode(ids, "utf-8")
    return pa.chunked_array([pa.array(ids)])


def _json_ids(path: Path) -> pa.ChunkedArray:
    ids = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(ids, list):
        raise InputError(f"{path}: expected one JSON list of ids")
    return pa.chunked_array([pa.array(ids)])


def _parquet_ids(path: Path, column: str | None = None) -> pa.ChunkedArray:
    names = pq.read_schema(path).names
    column = column or _id_column(path, names)
    if column not in names:
        raise InputError(f"{path}: no column {column!r}; its columns are {', '.join(names)}")
    return pq.read_table(path, columns=[column])[column]


_ID_READERS = {".txt": _text_ids, ".csv": _csv_ids, ".npy": _npy_ids, ".json": _json_ids, ".parquet": _parquet_ids}


def _read_ids(settings: OwnVectors) -> pa.Array:
    path = settings.table or settings.ids
    assert path is not None
    if settings.table is None and path.suffix not in _ID_READERS:
        raise InputError(f"{path}: cannot read ids from this kind of file; expected {', '.join(_ID_READERS)}")
    try:
        ids = _parquet_ids(path, settings.id_column) if settings.table else _ID_READERS[path.suffix](path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (ValueError, EOFError, TypeError, pa.ArrowException) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot read ids: {error}") from None
    strings = _as_strings(path, ids)
    if not len(strings):
        raise InputError(f"{path}: no ids here")
    if pc.count_distinct(strings).as_py() < len(strings):
        counts = pc.value_counts(strings)
        repeated = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
        raise InputError(
            f"{path}: {len(repeated)} ids appear more than once: {_first(repeated)}; give each item one vector"
        )
    return strings


def read_ids(settings: OwnVectors) -> list[str]:
    """Ids of the user's vectors, in the order of the vectors.

    Raises `InputError` for a file that cannot be read and for ids that are empty, repeated, or neither strings nor
    whole numbers.
    """
    return _read_ids(settings).to_pylist()


def align(settings: OwnVectors, item_ids: Any) -> np.ndarray:
    """For every item of `item_ids` (strings) the row of its vector: int64 `[items]`. Ids compare as strings.

    Raises `InputError` when items have no vector. Vectors without an item are warned of and left out.
    """
    return _align(_read_ids(settings), item_ids, settings.table or settings.ids)


def _align(ids: pa.Array, item_ids: Any, source: Path | None) -> np.ndarray:
    items = pc.cast(pa.array(item_ids) if isinstance(item_ids, list) else item_ids, pa.large_string())
    found = pc.index_in(items, value_set=ids)
    missing = pc.is_null(found)
    without = pc.sum(missing).as_py() or 0
    if without == len(items):
        raise InputError(f"{source}: none of its ids is an item: ids {_first(ids)}; items {_first(items)}")
    if without:
        raise InputError(
            f"{source}: {without} of {len(items)} items have no vector: {_first(items.filter(missing))}; "
            "add their vectors or leave these items out"
        )
    rows = found.to_numpy(zero_copy_only=False).astype(np.int64)
    if len(rows) < len(ids):
        unused = np.ones(len(ids), bool)
        unused[rows] = False
        names = ids.take(pa.array(np.flatnonzero(unused)[: SHOWN + 1]))
        logger.warning("%s: %d vectors belong to no item and are left out: %s", source, unused.sum(), _first(names))
    return rows


def _open_vectors(path: Path) -> np.ndarray:
    vectors = open_array(path, "fiu", "one array of numbers [vectors, width]")
    if not vectors.shape[1]:
        raise InputError(f"{path}: vectors of width 0")
    return vectors


def _table_type(path: Path, column: str) -> pa.DataType:
    schema = pq.read_schema(path)
    if column not in schema.names:
        raise InputError(f"{path}: no column {column!r}; its columns are {', '.join(schema.names)}")
    kind = schema.field(column).type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not is_list or not (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        raise InputError(f"{path}: column {column!r} is {kind}; expected a list of numbers in every row")
    return kind


def _table_dim(path: Path, column: str) -> int:
    kind = _table_type(path, column)
    if pa.types.is_fixed_size_list(kind):
        return kind.list_size
    with pq.ParquetFile(path) as file:
        first = next(file.iter_batches(1, columns=[column])).column(0)[0].as_py()
    if not first:
        raise InputError(f"{path}: row 0 of column {column!r} holds no vector")
    return len(first)


def _next_batch(batches: Iterator[pa.RecordBatch], path: Path, column: str) -> pa.RecordBatch | None:
    try:
        return next(batches, None)
    except pa.ArrowException as error:
        raise InputError(
            f"{path}: cannot read column {column!r}: {error} (a fixed-size list needs a vector in every row)"
        ) from None


def _table_blocks(path: Path, column: str, dim: int, target: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks of (target rows, vectors) of a parquet table, for the table's rows whose target is not negative."""
    with pq.ParquetFile(path) as file:
        row = 0
        for group in range(file.num_row_groups):
            group_rows = file.metadata.row_group(group).num_rows
            if (target[row : row + group_rows] < 0).all():
                row += group_rows
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
                wanted = np.flatnonzero(target[row : row + len(lists)] >= 0)
                yield target[row + wanted], values[wanted]
                row += len(lists)


def gather_own_vectors(settings: OwnVectors, item_ids: Any, start: int, stop: int, output: str | Path) -> None:
    """Write the part of the items `start:stop` of all `item_ids` from the user's vectors, block by block.

    Holds the ids of all items and vectors and one row number an item in memory, never the vectors. Raises `InputError`
    as :func:`align` does, and for vectors that are not as many as their ids, not of one width, not finite or too large
    for the store's dtype.
    """
    ids = _read_ids(settings)
    blocks: Iterator[tuple[np.ndarray, np.ndarray]]
    if settings.table is not None:
        rows = _align(ids, item_ids, settings.table)[start:stop]
        dim = _table_dim(settings.table, settings.vector_column)
        target = np.full(len(ids), -1, np.int64)
        target[rows] = np.arange(len(rows))
        blocks = _table_blocks(settings.table, settings.vector_column, dim, target)
    else:
        assert settings.vectors is not None
        vectors = _open_vectors(settings.vectors)
        dim = vectors.shape[1]
        if len(ids) != len(vectors):
            raise InputError(
                f"{settings.vectors}: {len(vectors)} vectors, but {settings.ids} holds {len(ids)} ids; expected one id "
                "a vector, in the same order (the first line of a .csv is its header)"
            )
        rows = _align(ids, item_ids, settings.ids)[start:stop]
        step = block_rows(dim)
        blocks = (
            (np.arange(begin, min(begin + step, len(rows))), vectors[rows[begin : begin + step]])
            for begin in range(0, len(rows), step)
        )
    with new_part(output, len(rows), dim, settings.dtype) as part, Progress(len(rows), "own vectors") as progress:
        for places, block in blocks:
            if settings.normalize:
                block = block.astype(np.float64)
                length = np.linalg.norm(block, axis=1, keepdims=True)
                block /= np.where(length > 0, length, 1)
            part[places] = cast(
                block, settings.dtype, start + places, item_ids, str(settings.vectors or settings.table)
            )
            progress.update(len(places))
