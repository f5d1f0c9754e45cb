"""The semantic-ID table: what a recommender is trained on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from semid.errors import InputError
from semid.files import column_list, whole_file
from semid.items import count_items, item_batches
from semid.semantic_ids.codes import REMEDY, code_strings, level_columns, open_codes

ROWS_AT_ONCE = 1 << 18


def export_table(items_path: str | Path, code_paths: Sequence[str | Path], output: str | Path, flat: bool) -> None:
    """Write `item_id` with `c1..cL` (int32) and `code_str`, or, for a `flat` codebook, with `token` (int32).

    Rows are those of `items.parquet`, in its order; the parts of the codes are given in order. Both are read, and the
    table is written, 262,144 rows at a time. Raises `InputError` when their row counts differ.
    """
    codes = open_codes(code_paths)
    if flat and codes.shape[1] != 1:
        raise ValueError(f"a flat codebook has one code an item, not {codes.shape[1]}")
    schema = _schema(codes.shape[1], flat)
    rows = count_items(items_path)
    if rows != len(codes):
        raise InputError(f"{items_path}: {rows} items, but the codes have {len(codes)} rows; encode again")
    with whole_file(output) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        start = 0
        for batch in item_batches(items_path, ["item_id"], rows_at_once=ROWS_AT_ONCE):
            block = codes[start : start + len(batch)]
            writer.write_table(_rows(batch.column(0), block, schema))
            start += len(batch)


def write_semantic_ids(path: str | Path, item_ids: pa.Array, codes: np.ndarray) -> None:
    """Write the table of codes, integers [n, L], of n items as :func:`export_table` does; of one level, as `token`."""
    schema = _schema(codes.shape[1], flat=codes.shape[1] == 1)
    with whole_file(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for start in range(0, len(codes), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            writer.write_table(_rows(item_ids[rows], codes[rows], schema))


def is_semantic_id_table(path: str | Path, num_levels: int) -> bool:
    """Whether a file is a table as :func:`write_semantic_ids` writes it, with these columns and no others."""
    return Path(path).suffix == ".parquet" and pq.read_schema(path).equals(_schema(num_levels, flat=num_levels == 1))


def _schema(num_levels: int, flat: bool) -> pa.Schema:
    names = ["token"] if flat else [f"c{level + 1}" for level in range(num_levels)]
    fields = [pa.field("item_id", pa.string()), *(pa.field(name, pa.int32()) for name in names)]
    return pa.schema(fields if flat else [*fields, pa.field("code_str", pa.string())])


def _rows(item_ids: pa.Array, codes: np.ndarray, schema: pa.Schema) -> pa.Table:
    columns = [item_ids.cast(pa.string()), *(pa.array(np.ascontiguousarray(level)) for level in codes.T)]
    has_texts = schema.names[-1] == "code_str"
    return pa.table([*columns, code_strings(codes)] if has_texts else columns, schema=schema)


def read_semantic_ids(path: str | Path) -> np.ndarray:
    """Read the codes [n, L] of a semantic-ID table, in its order, in the smallest unsigned dtype that holds them.

    Raises `InputError` when the table has no columns of codes, and when a level or a code is missing or a code is
    negative.
    """
    with pq.ParquetFile(path) as table:
        names = table.schema_arrow.names
        columns = ["token"] if "token" in names else level_columns(path, names)
        if not columns:
            raise InputError(f"{path}: columns are {column_list(names)}; expected `token` or `c1`, `c2`, …")
        codes = np.empty((table.metadata.num_rows, len(columns)), np.uint8)
        start = 0
        for batch in table.iter_batches(ROWS_AT_ONCE, columns=columns):
            stop = start + len(batch)
            for level, name in enumerate(columns):
                column = batch.column(name)
                low, high = (bound.as_py() for bound in pc.min_max(column).values())
                if column.null_count or low < 0:
                    raise InputError(f"{path}: {name} has no code of 0 or more in rows {start} to {stop - 1}{REMEDY}")
                if high > np.iinfo(codes.dtype).max:
                    codes = codes.astype(np.min_scalar_type(high))
                codes[start:stop, level] = column
            start = stop
    return codes
