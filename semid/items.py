"""The item table of a dataset, `items.parquet`, as `preprocess` writes it. Every reader of it goes through here."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semid.errors import InputError
from semid.files import column_list, first_line

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
                f"{items_path}: no column {', '.join(missing)}; its columns are {column_list(names)}{REMEDY}"
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


def items_in_core(items_path: str | Path, start: int = 0, stop: int | None = None) -> np.ndarray:
    """Whether the rows `start:stop` are core items: bool `[rows]`. Raises `InputError` as :func:`item_batches` does."""
    batches = [batch.column(0) for batch in item_batches(items_path, ["in_core"], start, stop)]
    return pa.chunked_array(batches, pa.bool_()).to_numpy()


@dataclass(frozen=True, eq=False)
class CoreItems:
    """The items that are evaluated, numbered among themselves in the order of `items.parquet`.

    rows: int32 [core], ascending, the rows of the table that `in_core` marks; num_items: the number of all rows.
    """

    rows: np.ndarray
    num_items: int

    @classmethod
    def read(cls, items_path: str | Path) -> Self:
        """Read the core items of a table. Raises `InputError` as :func:`item_batches` does, and if there are none."""
        in_core = items_in_core(items_path)
        if not in_core.any():
            raise InputError(f"{items_path}: no item has in_core, so there is nothing to evaluate{REMEDY}")
        return cls(np.flatnonzero(in_core).astype(np.int32), len(in_core))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def is_all(self) -> bool:
        """Whether every item is a core item, so that its number is its row."""
        return len(self.rows) == self.num_items

    @cached_property
    def _numbers(self) -> np.ndarray:
        """int32 [num_items + 1]: the number of every row; -1 for other items, and at the end, where row -1 finds it."""
        numbers = np.full(self.num_items + 1, -1, np.int32)
        numbers[self.rows] = np.arange(len(self.rows), dtype=np.int32)
        return numbers

    def numbers(self, rows: np.ndarray) -> np.ndarray:
        """Return the number of each of `rows`, integers of any shape, in their dtype; -1 for other items and for -1.

        Raises `InputError` for a row that the table does not have.
        """
        if self.is_all:
            return rows
        largest = int(rows.max(initial=-1))
        if largest >= self.num_items:
            raise InputError(
                f"item_index {largest} is there, but items.parquet has {self.num_items:,} rows: run what comes after "
                "preprocessing again"
            )
        return self._numbers[rows].astype(rows.dtype, copy=False)


def how_to_leave_out(items_path: str | Path | None, rows: np.ndarray) -> str:
    """Return how to leave the items of `rows`, integers, out of a catalogue, as the end of a sentence."""
    if items_path is None or items_in_core(items_path)[rows].any():
        return "leave these items out"
    return "leave these items out by `preprocess: {catalogue: core}`, since none of them is a core item"


@contextmanager
def _open_items(items_path: str | Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(items_path) as file:
            yield file
    except FileNotFoundError:
        raise InputError(f"{items_path}: there is no item table here{REMEDY}") from None
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{items_path}: cannot be read as an item table ({first_line(error)}){REMEDY}") from None
