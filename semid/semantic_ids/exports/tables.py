"""Tables of items and interactions, parquet or CSV, read in batches."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from semid.errors import InputError
from semid.ids import plain_values, reading_table

ROWS_AT_ONCE = 1 << 17
CSV_BLOCK = 1 << 24


@dataclass(frozen=True)
class Table:
    """A table whose columns are known and whose rows are read in batches."""

    path: Path
    columns: list[str]

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield these columns of all rows, in order; those of a CSV are texts, and an empty field is an empty text."""
        if self.path.suffix == ".csv":
            convert = pa.csv.ConvertOptions(
                include_columns=list(columns),
                column_types=dict.fromkeys(columns, pa.large_string()),
                strings_can_be_null=False,
            )
            parse = pa.csv.ParseOptions(newlines_in_values=True)
            read = pa.csv.ReadOptions(block_size=CSV_BLOCK)
            with pa.csv.open_csv(self.path, read_options=read, parse_options=parse, convert_options=convert) as file:
                yield from file
        else:
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(columns)):
                    arrays: list[Any] = [plain_values(batch.column(name)) for name in columns]
                    yield pa.RecordBatch.from_arrays(arrays, names=list(columns))


@contextmanager
def open_table(path: str | Path, what: str) -> Iterator[Table]:
    """Open a `.parquet` or `.csv` file; `what` it holds is named where it cannot be read, by an `InputError`."""
    path = Path(path)
    with reading_table(path, what):
        if path.suffix == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as file:
                columns = next(csv.reader(file), [])
        elif path.suffix == ".parquet":
            columns = pq.read_schema(path).names
        else:
            raise InputError(f"{path}: expected {what} as .parquet or .csv")
        yield Table(path, columns)
