"""Step 5: the tables and stats.json are written, and appear together.

Reads users, items, raw_items, split_interactions and catalogue.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from semid.data.connection import Database, literal
from semid.data.preprocessing.settings import Outputs, text_fields
from semid.data.sources.source import SPLITS
from semid.data.text import clean_texts
from semid.data.values import value_texts
from semid.files import whole_file, write_json
from semid.progress import Progress

ROWS_A_BATCH = 20_480
ITEMS_SCHEMA = pa.schema(
    [
        ("item_index", pa.int32()),
        ("item_id", pa.string()),
        ("title", pa.string()),
        ("description", pa.string()),
        ("categories", pa.list_(pa.string())),
        ("store", pa.string()),
        ("in_train", pa.bool_()),
        ("in_core", pa.bool_()),
    ]
)
SPLIT_SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("item_id", pa.string()),
        ("item_index", pa.int32()),
        ("timestamp", pa.int64()),
        ("rating", pa.float32()),
    ]
)


def write_outputs(
    database: Database, outputs: Outputs, stats: Mapping[str, Any], text_columns: Sequence[str] = ()
) -> None:
    """Write all outputs; they appear together, stats.json last.

    items.parquet has a column more for each of `text_columns`.
    """
    with ExitStack() as files:
        for split in reversed(SPLITS):  # the stack is left in reverse order
            _write_split(database, split, files.enter_context(whole_file(getattr(outputs, split))))
        _write_items(database, files.enter_context(whole_file(outputs.items)), text_columns)
    write_json(outputs.stats, stats)


def _write_split(database: Database, split: str, path: Path) -> None:
    query = (
        "SELECT u.user_id, i.item_id, coalesce(c.rowid, -1)::INTEGER AS item_index, s.timestamp, s.rating "
        "FROM split_interactions s JOIN users u ON u.rowid = s.user_number JOIN items i ON i.rowid = s.item_number "
        f"LEFT JOIN catalogue c ON c.item_number = s.item_number WHERE s.split = {literal(split)} ORDER BY s.rowid"
    )
    _copy(database, query, path, SPLIT_SCHEMA, f"writing {split}")


def _write_items(database: Database, path: Path, text_columns: Sequence[str]) -> None:
    texts = "".join(f", r.{field}" for field in text_fields(text_columns))
    query = (
        "SELECT c.rowid::INTEGER AS item_index, i.item_id, r.title, r.description, r.categories, r.store, "
        f"c.in_train, c.in_core{texts} FROM catalogue c JOIN items i ON i.rowid = c.item_number "
        "LEFT JOIN raw_items r ON r.rowid = i.listing ORDER BY c.rowid"
    )
    schema = pa.schema([*ITEMS_SCHEMA, *((column, pa.string()) for column in text_columns)])
    _copy(database, query, path, schema, "cleaning items")


def _copy(database: Database, query: str, path: Path, schema: pa.Schema, what: str) -> None:
    """Write a query's rows, items with clean text, as parquet of exactly `schema`.

    DuckDB's own files are nullable or not depending on the data, and cut in row groups depending on the threads.
    """
    raw = database.folder / "rows.parquet"
    database.execute(f"COPY ({query}) TO {literal(str(raw))} (FORMAT parquet, ROW_GROUP_SIZE {ROWS_A_BATCH})")
    with (
        pq.ParquetFile(raw) as file,
        pq.ParquetWriter(path, schema) as writer,
        Progress(file.metadata.num_rows, what) as progress,
    ):
        for batch in file.iter_batches(ROWS_A_BATCH):
            rows = pa.table(batch) if schema is SPLIT_SCHEMA else _cleaned(batch)
            writer.write_table(rows.rename_columns(schema.names).cast(schema))
            progress.update(len(batch))
    raw.unlink()


def _cleaned(items: pa.RecordBatch) -> pa.Table:
    """Return items with clean text; what is missing becomes empty."""
    columns = {name: items.column(name) for name in items.schema.names}
    for name in ("title", "description", "store"):
        columns[name] = clean_texts(columns[name])
    for name in items.schema.names[len(ITEMS_SCHEMA) :]:
        columns[name] = clean_texts(value_texts(columns[name]))
    item_of_category = np.asarray(pc.list_parent_indices(columns["categories"]))
    categories = clean_texts(pc.list_flatten(columns["categories"]))
    filled = np.asarray(pc.not_equal(categories, ""))
    lengths = np.bincount(item_of_category[filled], minlength=len(items))
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    columns["categories"] = pa.ListArray.from_arrays(offsets, categories.filter(pa.array(filled)))
    return pa.table(columns)
