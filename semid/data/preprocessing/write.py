"""The tables and stats.json, which appear together."""

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from semid.data.database import literal
from semid.data.preprocessing.run import Run
from semid.data.preprocessing.settings import Outputs
from semid.data.sources.source import SPLITS
from semid.data.text import clean_texts
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


def write(run: Run, outputs: Outputs, note: str) -> None:
    """Write all outputs; they appear together, stats.json last."""
    with ExitStack() as files:
        for split in reversed(SPLITS):  # the stack is left in reverse order
            _write_split(run, split, files.enter_context(whole_file(getattr(outputs, split))))
        _write_items(run, files.enter_context(whole_file(outputs.items)))
        stats = {"note": note, **_stats(run)}
    write_json(outputs.stats, stats)


def _write_split(run: Run, split: str, path: Path) -> None:
    query = (
        "SELECT u.user_id, i.item_id, coalesce(k.rowid, -1)::INTEGER AS item_index, e.timestamp, e.rating "
        "FROM events e JOIN users u ON u.rowid = e.user_number JOIN items i ON i.rowid = e.item_number "
        f"LEFT JOIN kept_items k ON k.item_number = e.item_number WHERE e.split = {literal(split)} ORDER BY e.rowid"
    )
    _copy(run, query, path, SPLIT_SCHEMA, f"writing {split}")


def _write_items(run: Run, path: Path) -> None:
    query = (
        "SELECT k.rowid::INTEGER AS item_index, i.item_id, r.title, r.description, r.categories, r.store, "
        "k.in_train FROM kept_items k JOIN items i ON i.rowid = k.item_number "
        "LEFT JOIN raw_items r ON r.rowid = i.listing ORDER BY k.rowid"
    )
    _copy(run, query, path, ITEMS_SCHEMA, "cleaning items")


def _copy(run: Run, query: str, path: Path, schema: pa.Schema, what: str) -> None:
    """Write a query's rows, items with clean text, as parquet of exactly `schema`.

    DuckDB's own files are nullable or not depending on the data, and cut in row groups depending on the threads.
    """
    raw = run.database.folder / "rows.parquet"
    run.database.execute(f"COPY ({query}) TO {literal(str(raw))} (FORMAT parquet, ROW_GROUP_SIZE {ROWS_A_BATCH})")
    with (
        pq.ParquetFile(raw) as file,
        pq.ParquetWriter(path, schema) as writer,
        Progress(file.metadata.num_rows, what) as progress,
    ):
        for batch in file.iter_batches(ROWS_A_BATCH):
            rows = pa.table(batch) if schema is SPLIT_SCHEMA else _cleaned(batch)
            writer.write_table(rows.cast(schema))
            progress.update(len(batch))
    raw.unlink()


def _stats(run: Run) -> dict[str, Any]:
    source, settings = run.source, asdict(run.settings)
    unused = ["memory_limit", "threads", "max_malformed"]
    if run.is_split or not source.interaction_files:
        unused += ["k_core", "repeats"] + ([] if run.settings.is_official else ["split"])
    return {
        "source": source.format,
        "files": {
            "interactions": [str(path) for path, _ in source.interaction_files],
            "items": [str(path) for path in source.item_files],
        },
        "timestamp_unit": source.timestamp_unit,
        "settings": {name: value for name, value in settings.items() if name not in unused},
        "split_by_source": run.is_split,
        "malformed_lines": run.malformed,
        "wrong_types": run.wrong_types,
        "steps": run.steps,
        "dropped": {of: {reason: n for reason, n in counts.items() if n} for of, counts in run.dropped.items()},
        **run.facts,
    }


def _cleaned(items: pa.RecordBatch) -> pa.Table:
    """Return items with clean text; what is missing becomes empty."""
    columns = {name: items.column(name) for name in items.schema.names}
    for name in ("title", "description", "store"):
        columns[name] = clean_texts(columns[name])
    path_of_part = np.asarray(pc.list_parent_indices(columns["categories"]))
    parts = clean_texts(pc.list_flatten(columns["categories"]))
    filled = np.asarray(pc.not_equal(parts, ""))
    lengths = np.bincount(path_of_part[filled], minlength=len(items))
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    columns["categories"] = pa.ListArray.from_arrays(offsets, parts.filter(pa.array(filled)))
    return pa.table(columns)
