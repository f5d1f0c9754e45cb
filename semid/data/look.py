"""A look at the files of a catalogue, before anything is configured: what their columns can be shown to be."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from semid.data.connection import Database, identifier
from semid.data.formats import RawFile, open_raw_file, reading
from semid.data.preprocessing.filter import k_core
from semid.data.sources.source import TABLES
from semid.errors import InputError
from semid.files import column_list

# A column of ids tells items apart: so many of its values differ. And so many of the interactions' values are there.
LEAST_DISTINCT, LEAST_FOUND = 0.5, 0.5
# Names under which users and times are often found; nothing in a file shows that a column is one.
USER_NAMES = (
    "user_id", "userid", "user", "customer_id", "customerid", "customer", "visitor_id", "visitorid", "session_id",
    "reviewerid", "account_id", "member_id", "uid",
)  # fmt: skip
TIME_NAMES = (
    "timestamp", "time", "datetime", "date", "event_time", "created_at", "bought_at", "purchased_at", "unixreviewtime",
    "ts", "t_dat",
)  # fmt: skip


@dataclass(frozen=True)
class LookedAt:
    """A file of which a table of the database has all single values as text: its rows and its columns.

    dates: those columns that a parquet file has as date-times.
    """

    path: Path
    table: str
    rows: int
    columns: tuple[str, ...]
    dates: tuple[str, ...]

    def named(self, names: Iterable[str], but: str | None = None) -> str | None:
        """Return the first column, other than `but`, that has one of the names, in capitals or not."""
        columns = {column.lower(): column for column in reversed(self.columns) if column != but}
        return next((columns[name] for name in names if name in columns), None)


class ItemColumns(NamedTuple):
    """The column of item ids in each of two files, and the share of the interactions whose item is in the catalogue."""

    interactions: str
    items: str
    share: float


class CoreSize(NamedTuple):
    """The size of the k-core, 0 each where it is empty."""

    users: int
    items: int
    interactions: int


def look_at(database: Database, path: Path, table: str) -> LookedAt:
    """Read all columns of a file as text. Raises InputError for a file that is no table."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if not path.name.lower().endswith(TABLES):
        raise InputError(f"{path}: cannot be read as a table; expected {', '.join(TABLES)}")
    file = open_raw_file(database, path)
    columns = tuple(file.columns)
    fields = {f"column_{number}": column for number, column in enumerate(columns)}
    file = file.with_fields(fields)
    values = ", ".join(f"{file.scalar(name)} AS {identifier(column)}" for name, column in fields.items())
    with reading(path):
        database.execute(f"CREATE TABLE {table} AS SELECT {values} FROM ({file.query()}) WHERE NOT malformed")
    dates = tuple(column for name, column in fields.items() if _is_date(file, name))
    file.close()
    return LookedAt(path, table, database.count(table), columns, dates)


def _is_date(file: RawFile, name: str) -> bool:
    return file.milliseconds(name) is not None


def item_columns(database: Database, interactions: LookedAt, items: LookedAt) -> ItemColumns:
    """Return the columns of item ids: those whose values are most often the same in both files.

    Raises InputError where no two columns are, and where several are equally often.
    """
    found = []
    for of_items in items.columns:
        column = identifier(of_items)
        distinct = database.row(f"SELECT count(DISTINCT {column}) AS n FROM {items.table}").n
        if distinct < LEAST_DISTINCT * max(1, items.rows):
            continue
        for of_interactions in interactions.columns:
            other = identifier(of_interactions)
            known = f"SELECT {column} FROM {items.table} WHERE {column} IS NOT NULL"
            share = database.row(
                f"SELECT coalesce(avg(({other} IN ({known}))::INTEGER), 0) AS share FROM {interactions.table}"
            ).share
            found.append(ItemColumns(of_interactions, of_items, share))
    found.sort(key=lambda pair: (pair.share, _is_same_name(pair)), reverse=True)
    if not found or found[0].share < LEAST_FOUND:
        raise InputError(
            f"no column of {interactions.path} ({column_list(interactions.columns)}) holds the ids of a column of "
            f"{items.path} ({column_list(items.columns)}): half of the values, at least, would have to be there"
        )
    best = found[0]
    rivals = [pair for pair in found[1:] if pair.share == best.share and not _is_same_name(best)]
    if rivals:
        pairs = " or ".join(f"{pair.interactions} = {pair.items}" for pair in (best, *rivals))
        raise InputError(
            f"{interactions.path} and {items.path}: item ids may be {pairs}; leave columns out that are none, or give "
            "the right ones the same name"
        )
    return best


def _is_same_name(pair: ItemColumns) -> bool:
    return pair.interactions.lower() == pair.items.lower()


def core_size(
    database: Database, interactions: LookedAt, user: str, items: LookedAt, ids: ItemColumns, k: int
) -> CoreSize:
    """Return the size of the k-core of the interactions of known items, each pair of a user and an item once.

    user: the column of users; ids: those of items.
    """
    of_user, of_item, known = map(identifier, (user, ids.interactions, ids.items))
    pairs = database.integers(
        "SELECT dense_rank() OVER (ORDER BY a) - 1 AS user_number, dense_rank() OVER (ORDER BY b) - 1 AS item_number "
        f"FROM (SELECT DISTINCT {of_user} AS a, {of_item} AS b FROM {interactions.table} WHERE {of_user} IS NOT NULL "
        f"AND {of_item} IN (SELECT {known} FROM {items.table} WHERE {known} IS NOT NULL))"
    )
    users, numbers = pairs["user_number"], pairs["item_number"]
    n_users, n_items = int(users.max(initial=-1)) + 1, int(numbers.max(initial=-1)) + 1
    core_users, core_items, _ = k_core(lambda: [(users, numbers)], n_users, n_items, k)
    kept = np.isin(users, core_users) & np.isin(numbers, core_items)
    return CoreSize(len(core_users), len(core_items), int(kept.sum()))


def first_value(database: Database, file: LookedAt, column: str) -> str:
    """Return the first value of a column; empty where there is none."""
    name = identifier(column)
    rows: Sequence[tuple[str]] = database.rows(f"SELECT {name} AS v FROM {file.table} WHERE {name} IS NOT NULL LIMIT 1")
    return rows[0][0] if rows else ""
