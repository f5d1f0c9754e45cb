"""Rows of one raw file become rows of a table; lines that cannot be read are counted, and stop the run if too many."""

import logging
from typing import NamedTuple

from semid.data.connection import Database
from semid.data.formats import RawFile, reading
from semid.errors import InputError

logger = logging.getLogger(__name__)


class FileCounts(NamedTuple):
    """The lines of one file: all of them, those that are malformed, and how many of these left no row."""

    path: str
    lines: int
    malformed: int
    without_row: int


def insert(database: Database, table: str, file: RawFile, query: str, max_malformed: float) -> FileCounts:
    """Insert `query`, which reads the file, into `table`.

    Raises InputError when too much of the file cannot be read, and for ids that are fractions.
    """
    before = database.count(table)
    file.forget_malformed_lines()
    with reading(file.path):
        database.execute(f"INSERT INTO {table} BY NAME {query}")
    inserted = database.row(
        "SELECT count(*) AS rows, count(*) FILTER (dropped = 'malformed') AS malformed, "
        f"min(rowid) FILTER (dropped = 'malformed') AS first_row FROM {table} WHERE rowid >= {before}"
    )
    outside = file.malformed_lines(inserted.rows)
    lines, malformed = inserted.rows + outside.n, inserted.malformed + outside.n
    if malformed:
        first, fault = outside.first, outside.what
        if first is None and inserted.first_row is not None:
            first = file.line_of_row(inserted.first_row - before)
            fault = fault or ("" if first is None else file.fault_of_line(first))
        where = f"the first is {'not known' if first is None else f'line {first:,}'}{fault}"
        if malformed > max_malformed * lines:
            raise InputError(
                f"{file.path}: {malformed:,} of {lines:,} lines cannot be read, {where}; more than "
                f"{max_malformed:.0%} (max_malformed) stops the run"
            )
        logger.warning("%s: %s OF %s LINES ARE LOST, %s", file.path, f"{malformed:,}", f"{lines:,}", where)
    _refuse_inexact_ids(database, table, file, before)
    logger.info("read %s lines of %s, %s malformed", f"{lines:,}", file.path, f"{malformed:,}")
    return FileCounts(str(file.path), lines, malformed, outside.n)


def _refuse_inexact_ids(database: Database, table: str, file: RawFile, before: int) -> None:
    """Raise InputError where an id of the file is a fraction, or a float above 2^53."""
    for name in ("user_id", "item_id"):
        if name not in file.fields:
            continue
        inexact = database.row(
            f"SELECT count(*) AS n, min(rowid) AS first FROM {table} "
            f"WHERE rowid >= {before} AND dropped = 'inexact_{name}'"
        )
        if inexact.n:
            example = database.row(f"SELECT {name} AS id FROM {table} WHERE rowid = {inexact.first}").id
            raise InputError(
                f"{file.path}: {inexact.n:,} values of {name} are floats that are no whole numbers or too large to be "
                f"exact, the first is {example} in row {inexact.first - before + 1:,}; write ids as integers or texts"
            )
