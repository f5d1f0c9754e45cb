"""The user's own vectors, brought into the order of the item table."""

import csv
import json
import logging
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from semid.embeddings.settings import OwnVectors, embedding_settings
from semid.embeddings.store import block_rows, cast, new_part
from semid.errors import InputError
from semid.files import open_array
from semid.items import count_items, item_ids
from semid.progress import Progress

logger = logging.getLogger(__name__)

ID_COLUMN = "item_id"
SHOWN = 5
IDS_AT_ONCE = 1 << 18
CSV_BLOCK = 1 << 24


def _first(ids: Any) -> str:
    shown = [str(name) for name in ids[:SHOWN]]
    return ", ".join(map(repr, shown)) + (", …" if len(ids) > SHOWN else "")


def _id_column(path: Path, names: list[str]) -> str:
    if ID_COLUMN in names:
        return ID_COLUMN
    if len(names) == 1:
        return names[0]
    raise InputError(f"{path}: no column {ID_COLUMN!r}; its columns are {', '.join(names)}")


def _as_strings(path: Path, ids: pa.Array, row: int) -> pa.Array:
    """A batch of ids that begins at `row` of the file as `large_string`."""
    kind = ids.type.value_type if pa.types.is_dictionary(ids.type) else ids.type
    if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise InputError(f"{path}: ids are {kind}; expected strings or whole numbers")
    strings = pc.cast(ids, pa.large_string())
    empty = pc.fill_null(pc.equal(strings, ""), True)
    if pc.any(empty).as_py():
        raise InputError(f"{path}: the id in row {row + pc.index(empty, True).as_py()} is empty")
    return strings


def _text_ids(path: Path) -> Iterator[pa.Array]:
    with path.open(encoding="utf-8-sig") as file:
        while lines := list(islice(file, IDS_AT_ONCE)):
            yield pa.array((line.rstrip("\n") for line in lines), pa.large_string())


def _csv_ids(path: Path) -> Iterator[pa.Array]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = next(csv.reader(file), [])
    column = _id_column(path, header)
    options = pa.csv.ConvertOptions(
        column_types={column: pa.large_string()}, include_columns=[column], strings_can_be_null=False
    )
    parse = pa.csv.ParseOptions(newlines_in_values=True)
    read = pa.csv.ReadOptions(block_size=CSV_BLOCK)
    with pa.csv.open_csv(path, read_options=read, parse_options=parse, convert_options=options) as batches:
        for batch in batches:
            yield batch.column(0)


def _npy_ids(path: Path) -> Iterator[pa.Array]:
    ids = np.load(path, mmap_mode="r", allow_pickle=False)
    if ids.ndim != 1 or ids.dtype.kind not in "iuSU":
        raise InputError(
            f"{path}: ids are {ids.dtype} {list(ids.shape)}; expected one dimension of strings or integers"
        )
    for start in range(0, len(ids), IDS_AT_ONCE):
        batch = np.array(ids[start : start + IDS_AT_ONCE])
        yield pa.array(np.char.decode(batch, "utf-8") if ids.dtype.kind == "S" else batch)


def _json_ids(path: Path) -> Iterator[pa.Array]:
    ids = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(ids, list):
        raise InputError(f"{path}: expected one JSON list of ids")
    yield pa.array(ids)


def _parquet_ids(path: Path, column: str | None = None) -> Iterator[pa.Array]:
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        column = column or _id_column(path, names)
        if column not in names:
            raise InputError(f"{path}: no column {column!r}; its columns are {', '.join(names)}")
        for batch in file.iter_batches(IDS_AT_ONCE, columns=[column]):
            yield batch.column(0)


_ID_READERS = {".txt": _text_ids, ".csv": _csv_ids, ".npy": _npy_ids, ".json": _json_ids, ".parquet": _parquet_ids}


def _id_batches(settings: OwnVectors) -> Iterator[pa.Array]:
    """Ids of the user's vectors in batches of `large_string`, in the order of the vectors."""
    path = _id_file(settings)
    if settings.table is None and path.suffix not in _ID_READERS:
        raise InputError(f"{path}: cannot read ids from this kind of file; expected {', '.join(_ID_READERS)}")
    row = 0
    try:
        for batch in _parquet_ids(path, settings.id_column) if settings.table else _ID_READERS[path.suffix](path):
            yield _as_strings(path, batch, row)
            row += len(batch)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (ValueError, EOFError, TypeError, pa.ArrowException) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot read ids: {error}") from None
    if not row:
        raise InputError(f"{path}: no ids here")


def _id_file(settings: OwnVectors) -> Path:
    path = settings.table or settings.ids
    assert path is not None
    return path


def _refuse_repeated(path: Path, repeated: Any) -> None:
    if len(repeated):
        raise InputError(
            f"{path}: {len(repeated)} ids appear more than once: {_first(repeated)}; give each item one vector"
        )


def read_ids(settings: OwnVectors) -> list[str]:
    """Ids of the user's vectors, in the order of the vectors.

    Raises `InputError` for a file that cannot be read and for ids that are empty, repeated, or neither strings nor
    whole numbers.
    """
    ids = pa.chunked_array(list(_id_batches(settings)))
    if pc.count_distinct(ids).as_py() < len(ids):
        counts = pc.value_counts(ids)
        _refuse_repeated(_id_file(settings), counts.field("values").filter(pc.greater(counts.field("counts"), 1)))
    return ids.to_pylist()


def catalogue_ids(options: Mapping[str, Any]) -> list[str] | None:
    """The ids of the user's own vectors, from a dataset's `embeddings` options; None where there are no options.

    They are the items of a dataset that names none. Raises `InputError` as :func:`read_ids` does, and for the options
    of an encoder.
    """
    if not options:
        return None
    settings = embedding_settings(options)
    if not isinstance(settings, OwnVectors):
        raise InputError("embeddings: an encoder has no ids; name the items, or vectors of your own")
    return read_ids(settings)


def align(settings: OwnVectors, item_ids: Any) -> np.ndarray:
    """For every item of `item_ids` (strings) the row of its vector: int64 `[items]`.

    Ids compare as strings and are read in batches: memory follows `item_ids`, not the number of vectors. Raises
    `InputError` when there are not as many ids as vectors, and when an item has no vector or more than one.
    """
    path = _id_file(settings)
    items = pc.cast(pa.array(item_ids), pa.large_string())
    rows = np.full(len(items), -1, np.int64)
    repeated = np.zeros(len(items), bool)
    shown: list[str] = []
    row = 0
    for batch in _id_batches(settings):
        found = pc.index_in(batch, value_set=items)
        places = pc.drop_null(found).to_numpy()
        of_batch = row + np.flatnonzero(found.is_valid().to_numpy(zero_copy_only=False))
        repeated[places[rows[places] >= 0]] = True
        rows[places] = of_batch
        repeated[places[rows[places] != of_batch]] = True
        shown = shown or batch[: SHOWN + 1].to_pylist()
        row += len(batch)
    if row != (vectors := _count_vectors(settings)):
        raise InputError(
            f"{settings.vectors}: {vectors} vectors, but {settings.ids} holds {row} ids; expected one id "
            "a vector, in the same order (the first line of a .csv is its header)"
        )
    _refuse_repeated(path, items.filter(pa.array(repeated)))
    missing = items.filter(pa.array(rows < 0))
    if len(missing) == len(items) > 0:
        raise InputError(f"{path}: none of its ids is an item: ids {_first(shown)}; items {_first(items)}")
    if len(missing):
        raise InputError(
            f"{path}: {len(missing)} of {len(items)} items have no vector: {_first(missing)}; "
            "add their vectors or leave these items out"
        )
    return rows


def _count_vectors(settings: OwnVectors) -> int:
    if settings.table is not None:
        return pq.read_metadata(settings.table).num_rows
    assert settings.vectors is not None
    return len(_open_vectors(settings.vectors))


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


def _table_blocks(path: Path, column: str, dim: int, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks of (places, vectors) of a parquet table, where `rows[places]` are rows of the table, in its order."""
    order = np.argsort(rows)
    ordered = rows[order]
    with pq.ParquetFile(path) as file:
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
    rows = align(settings, ids)
    blocks: Iterator[tuple[np.ndarray, np.ndarray]]
    if settings.table is not None:
        dim = _table_dim(settings.table, settings.vector_column)
        blocks = _table_blocks(settings.table, settings.vector_column, dim, rows)
    else:
        assert settings.vectors is not None
        vectors = _open_vectors(settings.vectors)
        dim = vectors.shape[1]
        step = block_rows(dim)
        blocks = (
            (np.arange(begin, min(begin + step, len(rows))), vectors[rows[begin : begin + step]])
            for begin in range(0, len(rows), step)
        )
    source = str(settings.vectors or settings.table)
    count, items = _count_vectors(settings), count_items(items_path)
    if count > items:
        logger.warning("%s: %d vectors for %d items: those of no item are left out", source, count, items)
    with new_part(output, len(rows), dim, settings.dtype) as part, Progress(len(rows), "own vectors") as progress:
        for places, block in blocks:
            if settings.normalize:
                block = block.astype(np.float64)
                length = np.linalg.norm(block, axis=1, keepdims=True)
                block /= np.where(length > 0, length, 1)
            part[places] = cast(block, settings.dtype, places, ids, source)
            progress.update(len(places))
