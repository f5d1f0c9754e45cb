"""DuckDB, wrapped: a database in a folder that goes away, and raw files as tables of it.

Text of users and items never becomes SQL; paths and column names do, through :func:`literal` and :func:`identifier`.
What the reading relies on, tried with DuckDB 2.0: `CREATE TABLE AS` and `INSERT … SELECT` from a file keep its order
(`rowid`) with any number of threads; `read_json(ignore_errors)` gives a row of NULLs for a malformed line and skips
blank ones; truncated gzip streams are errors.
"""

import codecs
import csv
import errno
import glob
import gzip
import io
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from semid.errors import InputError
from semid.files import full_disk_names, lock

LOCK = "lock"
ROWS_A_BATCH = 100_000
ROWS_SEARCHED_FOR_KEYS = 10_000


def literal(text: str) -> str:
    """Return `text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def pattern(path: Path) -> str:
    """Return `path` as the SQL string of a file to read, where * ? [ would otherwise stand for other characters."""
    return literal(glob.escape(str(path.resolve())))


def identifier(name: str) -> str:
    """Return `name` as an SQL name of a column or table."""
    return '"' + name.replace('"', '""') + '"'


class Database:
    """A DuckDB connection with bounded memory; `folder` takes its file and what does not fit in memory."""

    def __init__(self, folder: Path, memory_limit: int, threads: int) -> None:
        self.folder = folder
        self.memory_limit = memory_limit
        self._connection = duckdb.connect(
            str(folder / "work.duckdb"),
            config={
                "memory_limit": f"{memory_limit}MB",
                "threads": threads,
                "temp_directory": str(folder / "spill"),
                "preserve_insertion_order": True,
            },
        )

    def close(self) -> None:
        self._connection.close()

    def execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        """Run a statement; too little memory is an InputError that says which setting to raise."""
        try:
            return self._connection.execute(sql)
        except duckdb.OutOfMemoryException as error:
            if "max_temp_directory_size" in str(error):  # by default what the disk has
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder)) from None
            raise InputError(
                f"{self.memory_limit} MB are too few here: raise duckdb_mb under compute ({_first_line(error)})"
            ) from None

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.execute(sql).fetchall()

    def row(self, sql: str) -> tuple[Any, ...]:
        return self.rows(sql)[0]

    def count(self, sql: str) -> int:
        return int(self.row(sql)[0])

    def integers(self, sql: str) -> list[NDArray[np.int32]]:
        """Return the columns of a query, none with NULLs, as arrays in the query's order."""
        columns = self.execute(sql).fetchnumpy()
        return [np.asarray(column, dtype=np.int32) for column in columns.values()]

    def add_table(self, name: str, column: str, kind: pa.DataType, values: Iterable[Any]) -> None:
        """Make a table of one column from Python or numpy values, in their order."""
        path = self.folder / f"{name}.parquet"
        schema = pa.schema([(column, kind)])
        iterator = iter(values)
        with pq.ParquetWriter(path, schema) as writer:
            while batch := list(islice(iterator, ROWS_A_BATCH)):
                writer.write_table(pa.table([pa.array(batch, kind)], schema=schema))
        self.execute(
            f"CREATE TABLE {identifier(name)} AS FROM read_parquet({pattern(path)}, hive_partitioning = false)"
        )
        path.unlink()

    def open(self, path: Path) -> "RawFile":
        """Make the file at `path` readable; raises InputError where its columns cannot be read."""
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty")
        kind = JsonLines if _ends(path, ".jsonl", ".jsonl.gz") else Csv if _ends(path, ".csv", ".csv.gz") else Parquet
        with self.reading(path):
            return kind(self, path)

    @contextmanager
    def reading(self, path: Path) -> Iterator[None]:
        """Turn what DuckDB or Python find wrong with a file into an InputError that names it."""
        try:
            yield
        except (duckdb.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
            message = _first_line(error).replace(glob.escape(str(path.resolve())), path.name)
            cut_off = isinstance(error, EOFError) or "end of GZIP" in message
            hint = "; the file is cut off: copy or download it again" if cut_off else ""
            raise InputError(f"{path} cannot be read: {message}{hint}") from None


def _ends(path: Path, *suffixes: str) -> bool:
    return path.name.lower().endswith(suffixes)


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


@contextmanager
def temporary_database(beside: Path, memory_limit: int, threads: int) -> Iterator[Database]:
    """Open a database in a new folder in `beside`, which is removed at the end whatever happens.

    A full disk is an OSError that names the folder.
    """
    if "?" in str(beside.resolve()):
        raise InputError(f"{beside}: DuckDB cannot work in a folder with '?' in its path; choose another one")
    beside.mkdir(parents=True, exist_ok=True)
    _remove_left_behind(beside)
    folder = Path(tempfile.mkdtemp(prefix=".preprocess-", dir=beside)).resolve()
    try:
        with (folder / LOCK).open("wb") as file, full_disk_names(folder):
            lock(file)
            database = Database(folder, memory_limit, threads)
            try:
                yield database
            finally:
                database.close()
    finally:
        shutil.rmtree(folder)


def _remove_left_behind(beside: Path) -> None:
    """Remove the folders of killed jobs; a job that goes on without its parent keeps its own until it ends.

    Where the file system has no locks they stay, since nobody can tell them from those in use.
    """
    for folder in beside.glob(".preprocess-*"):
        # gone meanwhile, another user's, or in use
        with suppress(FileNotFoundError, PermissionError, BlockingIOError):
            with (folder / LOCK).open("ab") as file:
                unused = lock(file)
            # not while the file is open: NFS keeps it under another name, and the folder with it
            if unused:
                shutil.rmtree(folder)


class RawFile:
    """One input file as SQL. `columns` are its names; `choose` says which become `c0`, `c1`, …, and the other methods
    take that number.
    """

    columns: list[str]

    def __init__(self, database: Database, path: Path) -> None:
        self.database, self.path = database, path
        self._compression = "gzip" if _ends(path, ".gz") else "none"
        self.chosen: list[str | None] = []

    def choose(self, columns: Sequence[str | None]) -> None:
        """Choose columns by name; None is a column of NULLs."""
        self.chosen = list(columns)

    def query(self) -> str:
        """Return a query for `malformed` (BOOLEAN) and the raw values of the chosen columns."""
        raise NotImplementedError

    def scalar(self, i: int) -> str:
        """Return SQL for a number or string as VARCHAR; NULL for nothing, NaN, empty text or another type."""
        raise NotImplementedError

    def prose(self, i: int) -> str:
        """Return SQL for text as VARCHAR, the elements of a list joined by spaces."""
        raise NotImplementedError

    def strings(self, i: int, separator: str | None) -> str:
        """Return SQL for VARCHAR[]; text is cut at `separator`, or becomes a list of one."""
        raise NotImplementedError

    def is_scalar(self, i: int) -> str:
        """Return SQL for whether the value is no list or record."""
        raise NotImplementedError

    def is_prose(self, i: int) -> str:
        """Return SQL for whether the value is no record."""
        raise NotImplementedError

    def milliseconds(self, i: int) -> str | None:
        """Return SQL for the milliseconds of a date-time column, None for a column of another type."""
        return None

    def malformed_outside(self) -> tuple[int, int | None]:
        """Return the number of malformed lines that left no row after reading, and the line number of the first."""
        return 0, None

    def line_of_row(self, row: int) -> int | None:
        """Return the line number (from 1) of the row counted from 0."""
        return None


class JsonLines(RawFile):
    """One JSON object a line; a line that has none of the chosen keys counts as malformed, as what is no object does.

    The chosen values stay JSON (`c0`, …) beside the names of their types (`k0`, …) and their text (`t0`, …), each of
    which DuckDB computes once, and only where it is used.
    """

    def __init__(self, database: Database, path: Path) -> None:
        super().__init__(database, path)
        with _open_bytes(path) as file:
            if file.read(3) == codecs.BOM_UTF8:  # DuckDB 2.0 loses that line with several threads, not with one
                raise InputError(
                    f"{path} begins with a byte-order mark, which JSON does not allow; write it as UTF-8 without one"
                )
        self._options = f"{pattern(path)}, ignore_errors = true, compression = '{self._compression}'"
        keys = database.rows(
            "SELECT DISTINCT unnest(json_keys(json)) AS key "
            f"FROM (SELECT json FROM read_ndjson_objects({self._options}) LIMIT {ROWS_SEARCHED_FOR_KEYS}) "
            "WHERE json_type(json) = 'OBJECT' ORDER BY key"
        )
        self.columns = [key for (key,) in keys]

    def query(self) -> str:
        names = sorted({name for name in self.chosen if name is not None})
        kinds = ", ".join(f"{literal(name)}: 'JSON'" for name in names)
        values = ", ".join(
            f"{value} AS c{i}, json_type({value}) AS k{i}, json_extract_string({value}, '$') AS t{i}"
            for i, value in enumerate("NULL::JSON" if name is None else identifier(name) for name in self.chosen)
        )
        return (
            f"SELECT coalesce({', '.join(map(identifier, names))}) IS NULL AS malformed, {values} FROM read_json("
            f"{self._options}, format = 'newline_delimited', records = true, columns = {{{kinds}}})"
        )

    def scalar(self, i: int) -> str:
        missing = f"NOT {self.is_scalar(i)} OR c{i}::VARCHAR = 'NaN' OR {_blank(f't{i}')}"
        return f"CASE WHEN {missing} THEN NULL ELSE t{i} END"

    def prose(self, i: int) -> str:
        return (
            f"CASE k{i} WHEN 'ARRAY' THEN array_to_string(TRY_CAST(c{i} AS VARCHAR[]), ' ') "
            f"WHEN 'OBJECT' THEN NULL ELSE json_extract_string(c{i}, '$') END"
        )

    def strings(self, i: int, separator: str | None) -> str:
        cut = _cut(f"json_extract_string(c{i}, '$')", separator)
        return (
            f"CASE k{i} WHEN 'ARRAY' THEN TRY_CAST(c{i} AS VARCHAR[]) WHEN 'VARCHAR' THEN {cut} "
            "ELSE NULL::VARCHAR[] END"
        )

    def is_scalar(self, i: int) -> str:
        return f"coalesce(k{i}, 'NULL') NOT IN ('ARRAY', 'OBJECT', 'BOOLEAN')"

    def is_prose(self, i: int) -> str:
        return f"coalesce(k{i}, 'NULL') <> 'OBJECT'"

    def line_of_row(self, row: int) -> int:
        with _open_bytes(self.path) as file:
            filled = (number for number, line in enumerate(file, start=1) if line.strip())
            return next(islice(filled, row, None))


class Csv(RawFile):
    """Comma-separated values under a header line; all values are text, empty ones NULL."""

    def __init__(self, database: Database, path: Path) -> None:
        super().__init__(database, path)
        with _open_bytes(path) as file:
            header = file.readline().decode("utf-8-sig", errors="replace").rstrip("\r\n")
        # A table saved with its row numbers has a column without a name.
        self.columns = [name or f"column {i}" for i, name in enumerate(next(csv.reader([header]), []), start=1)]
        if len({name.lower() for name in self.columns}) < len(self.columns):
            raise InputError(f"{path}: the header names a column twice: {', '.join(self.columns)}")
        kinds = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in self.columns)
        for table in ("reject_errors", "reject_scans"):
            database.execute(f"DROP TABLE IF EXISTS {table}")
        self._relation = (
            f"read_csv({pattern(path)}, compression = '{self._compression}', auto_detect = false, header = true, "
            f"columns = {{{kinds}}}, delim = ',', quote = '\"', escape = '\"', "
            "ignore_errors = true, store_rejects = true, rejects_limit = 0)"
        )

    def query(self) -> str:
        values = ", ".join(
            f"{'NULL::VARCHAR' if name is None else identifier(name)} AS c{i}" for i, name in enumerate(self.chosen)
        )
        return f"SELECT false AS malformed, {values} FROM {self._relation}"

    def scalar(self, i: int) -> str:
        return f"CASE WHEN {_blank(f'c{i}')} THEN NULL ELSE c{i} END"

    def prose(self, i: int) -> str:
        return f"c{i}"

    def strings(self, i: int, separator: str | None) -> str:
        return _cut(f"c{i}", separator)

    def is_scalar(self, i: int) -> str:
        return "true"

    def is_prose(self, i: int) -> str:
        return "true"

    def malformed_outside(self) -> tuple[int, int | None]:
        count, first = self.database.row("SELECT count(DISTINCT line), min(line) FROM reject_errors")
        return count, first


class Parquet(RawFile):
    """A parquet file; its types are known, so that lists and date-times are read as such."""

    def __init__(self, database: Database, path: Path) -> None:
        super().__init__(database, path)
        self._relation = f"read_parquet({pattern(path)}, hive_partitioning = false)"
        described = database.rows(f"DESCRIBE SELECT * FROM {self._relation}")
        self._kinds = {name: kind for name, kind, *_ in described}
        self.columns = list(self._kinds)

    def query(self) -> str:
        values = ", ".join(
            f"{'NULL::VARCHAR' if name is None else identifier(name)} AS c{i}" for i, name in enumerate(self.chosen)
        )
        return f"SELECT false AS malformed, {values} FROM {self._relation}"

    def scalar(self, i: int) -> str:
        if not self._is_scalar(i):
            return "NULL::VARCHAR"
        nan = f"isnan(c{i})" if self._kind(i) in ("FLOAT", "DOUBLE") else "false"
        return f"CASE WHEN {nan} OR {_blank(f'c{i}::VARCHAR')} THEN NULL ELSE c{i}::VARCHAR END"

    def prose(self, i: int) -> str:
        if self._kind(i).endswith("]"):
            return f"array_to_string(c{i}::VARCHAR[], ' ')"
        return f"c{i}::VARCHAR" if self._is_scalar(i) else "NULL::VARCHAR"

    def strings(self, i: int, separator: str | None) -> str:
        if self._kind(i).endswith("]"):
            return f"c{i}::VARCHAR[]"
        return _cut(f"c{i}::VARCHAR", separator) if self._is_scalar(i) else "NULL::VARCHAR[]"

    def is_scalar(self, i: int) -> str:
        return "true" if self._is_scalar(i) else f"c{i} IS NULL"

    def is_prose(self, i: int) -> str:
        return "true" if self._is_scalar(i) or self._kind(i).endswith("]") else f"c{i} IS NULL"

    def milliseconds(self, i: int) -> str | None:
        return f"epoch_ms(c{i})" if self._kind(i).startswith(("TIMESTAMP", "DATE")) else None

    def _kind(self, i: int) -> str:
        name = self.chosen[i]
        return "VARCHAR" if name is None else self._kinds[name]

    def _is_scalar(self, i: int) -> bool:
        kind = self._kind(i)
        return not kind.endswith("]") and not kind.startswith(("STRUCT", "MAP", "UNION")) and kind != "BOOLEAN"


def _blank(text: str) -> str:
    return f"NOT regexp_matches({text}, '[^ \t\r\n]')"  # several times faster than trim


def _cut(text: str, separator: str | None) -> str:
    whole = f"[{text}]" if separator is None else f"string_split({text}, {literal(separator)})"
    return f"CASE WHEN {_blank(text)} OR {text} IS NULL THEN [] ELSE {whole} END"


@contextmanager
def _open_bytes(path: Path) -> Iterator[io.BufferedIOBase]:
    with gzip.open(path, "rb") if _ends(path, ".gz") else open(path, "rb") as file:
        yield file
