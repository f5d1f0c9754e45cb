"""A connection to DuckDB with bounded memory, in a folder that goes away.

Text of users and items never becomes SQL; paths and column names do, through :func:`path_literal`, :func:`literal` and
:func:`identifier`.
"""

import errno
import glob
import os
import shutil
import tempfile
from collections import namedtuple
from collections.abc import Iterable, Iterator
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
from semid.files import first_line, full_disk_names, lock, open_partial

# what DuckDB raises, for modules that read through a connection
DatabaseError = duckdb.Error
LOCK = "lock"
ROWS_A_BATCH = 100_000


def literal(text: str) -> str:
    """Return `text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def path_literal(path: Path) -> str:
    """Return `path` as the SQL string of a file to read, where * ? [ would otherwise stand for other characters."""
    return literal(glob.escape(str(path.resolve())))


def identifier(name: str) -> str:
    """Return `name` as an SQL name of a column or table."""
    return '"' + name.replace('"', '""') + '"'


class Database:
    """A DuckDB connection with bounded memory; `folder` takes its file and what does not fit in memory.

    `CREATE TABLE AS` keeps the order of its query, so that `rowid` counts the rows in that order from 0.
    """

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
            if "max_temp_directory_size" in str(error):  # by default the size is what the disk has
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder)) from None
            raise InputError(
                f"{self.memory_limit} MB are too few here: raise duckdb_mb under compute ({first_line(error)})"
            ) from None

    def rows(self, sql: str) -> list[Any]:
        """Return the rows of a query as named tuples, whose fields are the columns of the query."""
        result = self.execute(sql)
        Row = namedtuple("Row", [name for name, *_ in result.description])  # type: ignore[misc]
        return [Row(*values) for values in result.fetchall()]

    def row(self, sql: str) -> Any:
        """Return the first row of a query as a named tuple."""
        return self.rows(sql)[0]

    def count(self, relation: str) -> int:
        """Return the number of rows of a table, or of a part of one such as `items WHERE known`."""
        return int(self.row(f"SELECT count(*) AS n FROM {relation}").n)

    def integers(self, sql: str) -> dict[str, NDArray[np.int32]]:
        """Return the columns of a query, none with NULLs, by name as arrays in the query's order."""
        columns = self.execute(sql).fetchnumpy()
        return {name: np.asarray(column, dtype=np.int32) for name, column in columns.items()}

    def add_table(self, name: str, column: str, kind: pa.DataType, values: Iterable[Any]) -> None:
        """Make a table of one column from Python or numpy values, in their order."""
        path = self.folder / f"{name}.parquet"
        schema = pa.schema([(column, kind)])
        iterator = iter(values)
        with pq.ParquetWriter(path, schema) as writer:
            while batch := list(islice(iterator, ROWS_A_BATCH)):
                writer.write_table(pa.table([pa.array(batch, kind)], schema=schema))
        self.execute(
            f"CREATE TABLE {identifier(name)} AS FROM read_parquet({path_literal(path)}, hive_partitioning = false)"
        )
        path.unlink()


@contextmanager
def temporary_database(beside: Path, memory_limit: int, threads: int, job: str = "") -> Iterator[Database]:
    """Open a database in a new folder in `beside`, which is removed at the end whatever happens.

    memory_limit: in MB. job: tells jobs apart that work in `beside` at the same time. A full disk is an OSError that
    names the folder.
    """
    if "?" in str(beside.resolve()):
        raise InputError(f"{beside}: DuckDB cannot work in a folder with '?' in its path; choose another one")
    beside.mkdir(parents=True, exist_ok=True)
    prefix = f".preprocess-{job}-" if job else ".preprocess-"
    _remove_left_behind(beside, prefix)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=beside)).resolve()
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


def _remove_left_behind(beside: Path, prefix: str) -> None:
    """Remove the folders of killed jobs, whose names begin with `prefix`.

    A job that goes on without its parent keeps its own until it ends. Where the file system has no locks the folders
    stay, since nobody can tell them from those in use. Links and files of such a name are none of ours, and stay too.
    """
    for folder in beside.glob(f"{glob.escape(prefix)}*"):
        if folder.is_symlink() or not folder.is_dir():
            continue
        # the folder may be gone meanwhile, another user's, in use, or have something else in the place of its lock
        with suppress(FileNotFoundError, PermissionError, BlockingIOError, InputError):
            with open_partial(folder / LOCK) as file:
                unused = lock(file)
            # not while the file is open: NFS keeps it under another name, and the folder with it
            if unused:
                shutil.rmtree(folder)
