"""The ids of the user's own vectors: a file of ids beside the vectors, or the id column of their table."""

import csv
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
from semid.errors import InputError
from semid.files import column_list, load_array, parse_json
from semid.ids import first_few, id_strings, reading_table

ID_COLUMN = "item_id"
IDS_AT_ONCE = 1 << 18
CSV_BLOCK = 1 << 24


def _id_column(path: Path, names: list[str]) -> str:
    if ID_COLUMN in names:
        return ID_COLUMN
    if len(names) == 1:
        return names[0]
    raise InputError(f"{path}: no column {ID_COLUMN!r}; its columns are {column_list(names)}")


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
    ids = load_array(path)
    if not isinstance(ids, np.ndarray) or ids.ndim != 1 or ids.dtype.kind not in "iufSU":
        form = f"{ids.dtype} {list(ids.shape)}" if isinstance(ids, np.ndarray) else "an archive of arrays"
        raise InputError(f"{path}: ids are {form}; expected one dimension of strings or integers")
    for start in range(0, len(ids), IDS_AT_ONCE):
        batch = np.array(ids[start : start + IDS_AT_ONCE])
        yield pa.array(np.char.decode(batch, "utf-8") if ids.dtype.kind == "S" else batch)


def _json_ids(path: Path) -> Iterator[pa.Array]:
    ids = parse_json(path.read_text(encoding="utf-8"))
    if not isinstance(ids, list):
        raise InputError(f"{path}: expected one JSON list of ids")
    yield pa.array(ids)


def _parquet_ids(path: Path, column: str | None = None) -> Iterator[pa.Array]:
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        column = column or _id_column(path, names)
        if column not in names:
            raise InputError(f"{path}: no column {column!r}; its columns are {column_list(names)}")
        for batch in file.iter_batches(IDS_AT_ONCE, columns=[column]):
            yield batch.column(0)


_ID_READERS = {".txt": _text_ids, ".csv": _csv_ids, ".npy": _npy_ids, ".json": _json_ids, ".parquet": _parquet_ids}


def id_batches(settings: OwnVectors) -> Iterator[pa.Array]:
    """Ids of the user's vectors in batches of `large_string`, in the order of the vectors."""
    path = id_file(settings)
    if settings.table is None and path.suffix not in _ID_READERS:
        raise InputError(f"{path}: cannot read ids from this kind of file; expected {', '.join(_ID_READERS)}")
    row = 0
    with reading_table(path, "ids"):
        for batch in _parquet_ids(path, settings.id_column) if settings.table else _ID_READERS[path.suffix](path):
            yield id_strings(path, batch, row)
            row += len(batch)
    if not row:
        raise InputError(f"{path}: no ids here")


def id_file(settings: OwnVectors) -> Path:
    """The file that holds the ids."""
    path = settings.table or settings.ids
    assert path is not None
    return path


def refuse_repeated_ids(path: Path, repeated: Any) -> None:
    """Raise `InputError` where an id of the file `path` is repeated; `repeated` are such ids, each once."""
    if len(repeated):
        raise InputError(
            f"{path}: {len(repeated)} ids appear more than once: {first_few(repeated)}; give each item one vector"
        )


def read_ids(settings: OwnVectors) -> list[str]:
    """Ids of the user's vectors, in the order of the vectors.

    Raises `InputError` for a file that cannot be read and for ids that are empty, repeated, or neither strings nor
    whole numbers.
    """
    ids = pa.chunked_array(list(id_batches(settings)))
    if pc.count_distinct(ids).as_py() < len(ids):
        counts = pc.value_counts(ids)
        refuse_repeated_ids(id_file(settings), counts.field("values").filter(pc.greater(counts.field("counts"), 1)))
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
