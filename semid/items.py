"""The item table of a dataset, `items.parquet`, as `preprocess` writes it. Every reader of it goes through here."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semid.errors import InputError
from semid.files import first_line

ROWS_AT_ONCE = 16_384
REMEDY = "; run the preprocessing step again"


def count_items(items_path: str | Path) -> int:
    """Number of items. Raises `InputError` as :func:`item_batches` does."""
    with _open_items(items_path) as file:
        return file.metadata.num_rows


def item_columns(items_path: str | Path) -> list[str]:
    """Names of the columns. Raises `InputError` as :func:`item_batches` does."""
    with _open_items(items_path) as file:
        names: list[str] = file.schema_arrow.names
        return names


def item_batches(
    items_path: str | Path,
    columns: Sequence[str],
    start: int = 0,
    stop: int | None = None,
    rows_at_once: int = ROWS_AT_ONCE,
    by_row_group: bool = False,
) -> Iterator[pa.RecordBatch]:
    """These columns of the rows `start:stop`, in order, in batches of at most `rows_at_once` rows.

    Only the row groups of these rows are read. With `by_row_group` no batch holds rows of two groups, so that a row is
    in the same batch whatever `start` is. Raises `InputError`, which names the file and what to run again, when it is
    missing, cannot be read or lacks a column.
    """
    with _open_items(items_path) as file:
        names = file.schema_arrow.names
        missing = [name for name in columns if name not in names]
        if missing:
            raise InputError(
                f"{items_path}: no column {', '.join(missing)}; its columns are {', '.join(names)}{REMEDY}"
            )
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        ends = np.cumsum(sizes, dtype=np.int64)
        stop = file.metadata.num_rows if stop is None else stop
        groups = [group for group, end in enumerate(ends) if end - sizes[group] < stop and end > start]
        for run in [[group] for group in groups] if by_row_group else [groups] if groups else []:
            row = int(ends[run[0]]) - sizes[run[0]]
            for batch in file.iter_batches(rows_at_once, row_groups=run, columns=list(columns)):
                wanted = batch[max(start - row, 0) : max(stop - row, 0)]
                row += len(batch)
                if len(wanted):
                    yield wanted


def item_ids(items_path: str | Path, start: int = 0, stop: int | None = None) -> pa.LargeStringArray:
    """Ids of the rows `start:stop`, in order. Raises `InputError` as :func:`item_batches` does."""
    batches = item_batches(items_path, ["item_id"], start, stop)
    ids = [batch.column(0).cast(pa.large_string()) for batch in batches]
    return pa.chunked_array(ids, pa.large_string()).combine_chunks()


def items_in_train(items_path: str | Path) -> np.ndarray:
    """Whether each item is in the training split: bool `[n]`. Raises `InputError` as :func:`item_batches` does."""
    batches = [batch.column(0) for batch in item_batches(items_path, ["in_train"])]
    return pa.chunked_array(batches, pa.bool_()).to_numpy()


@contextmanager
def _open_items(items_path: str | Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(items_path) as file:
            yield file
    except FileNotFoundError:
        raise InputError(f"{items_path}: there is no item table here{REMEDY}") from None
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{items_path}: cannot be read as an item table ({first_line(error)}){REMEDY}") from None
