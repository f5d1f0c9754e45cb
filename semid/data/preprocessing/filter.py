"""Step 3: interactions that do not count are dropped.

Each filter makes its table from the one before and drops that: numbered_interactions becomes known_interactions, then
single_interactions, then core_interactions. A filter that does not apply makes no table.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from semid.data.connection import Database
from semid.data.preprocessing.counts import Step, count_step
from semid.data.preprocessing.settings import PreprocessSettings
from semid.data.sources.source import Source
from semid.errors import InputError

logger = logging.getLogger(__name__)

UNKNOWN_TO_WARN_OF = 0.1
# of the k-core: 32 MB, and an addition to the counts of all users and items a block
ROWS_A_BLOCK = 4_000_000
# For each step, the reason under `dropped` in stats.json.
REASONS = {"known_items": "unknown_item", "repeats": "repeated", "k_core": "k_core"}


# The users and the items of some interactions.
Block = tuple[NDArray[np.int32], NDArray[np.int32]]


class Filtered(NamedTuple):
    """The table that holds what is left, the steps from `usable` on, and the interactions dropped by reason."""

    table: str
    steps: tuple[Step, ...]
    dropped: dict[str, int]


def filter_interactions(
    database: Database, source: Source, settings: PreprocessSettings, has_item_list: bool
) -> Filtered:
    """Drop interactions of unknown items, then repeated ones, then those outside the k-core.

    Interactions that come in splits keep their repeats and are made no k-core. has_item_list: whether files or
    ids list the items, so that interactions of other items are dropped.
    """
    table = "numbered_interactions"
    if not source.interaction_files:
        return Filtered(table, (), {})
    steps = [count_step(database, "usable", table)]
    if has_item_list:
        steps.append(drop_unknown_items(database, steps[-1]))
    if not source.is_split and settings.repeats != "keep":
        steps.append(drop_repeats(database, steps[-1], settings.repeats))
    if not source.is_split and settings.k_core > 0:
        steps.append(keep_k_core(database, steps[-1], settings.k_core))
    dropped = {REASONS[after.name]: before.rows - after.rows for before, after in pairwise(steps)}
    return Filtered(steps[-1].table, tuple(steps), dropped)


def drop_unknown_items(database: Database, before: Step) -> Step:
    """Drop interactions of items that the item files do not list; valid and test rows of given splits stay."""
    unknown = "item_number IN (SELECT rowid FROM items WHERE NOT known)"
    if not database.count(f"{before.table} WHERE NOT {unknown}"):
        here = _examples(database, f"items WHERE rowid IN (SELECT item_number FROM {before.table})")
        there = _examples(database, "items WHERE known")
        raise InputError(
            f"no interaction has an item of the item file: interactions name {here}, the item file {there}; "
            "check that the column of item_id holds the ids, and that both files write them alike"
        )
    unlisted = database.row(
        f"SELECT avg(({unknown})::INTEGER) AS share, any_value(item_number) FILTER ({unknown}) AS example "
        f"FROM {before.table}"
    )
    if unlisted.share > UNKNOWN_TO_WARN_OF:
        logger.warning(
            "%.0f%% of the interactions name items that the item file lacks, such as %s",
            100 * unlisted.share,
            _examples(database, f"items WHERE rowid = {unlisted.example}"),
        )
    _keep(database, before.table, "known_interactions", f"NOT {unknown} OR split IN ('valid', 'test')")
    return count_step(database, "known_items", "known_interactions")


def drop_repeats(database: Database, before: Step, repeats: str) -> Step:
    """Keep the `first` or the `last` of a user's interactions with an item."""
    direction = "ASC" if repeats == "first" else "DESC"
    condition = (
        "true QUALIFY row_number() OVER (PARTITION BY user_number, item_number "
        f"ORDER BY timestamp {direction}, source_row {direction}) = 1"
    )
    _keep(database, before.table, "single_interactions", condition)
    return count_step(database, "repeats", "single_interactions")


def keep_k_core(database: Database, before: Step, k: int) -> Step:
    """Keep the interactions of the k-core; an InputError where it is empty."""
    rows = before.rows

    def blocks() -> Iterator[Block]:
        for start in range(0, rows, ROWS_A_BLOCK):
            columns = database.integers(
                f"SELECT user_number, item_number FROM {before.table} "
                f"WHERE rowid >= {start} AND rowid < {start + ROWS_A_BLOCK}"
            )
            yield columns["user_number"], columns["item_number"]

    users, items, rounds = k_core(blocks, database.count("users"), database.count("items"), k)
    if not len(users):
        raise InputError(
            f"k_core: no user is left with {k} interactions each of a user and an item; before there were "
            f"{before.rows:,} interactions of {before.users:,} users with {before.items:,} items. "
            "Lower k_core (0 switches it off)"
        )
    database.add_table("core_users", "number", pa.int32(), users)
    database.add_table("core_items", "number", pa.int32(), items)
    condition = "user_number IN (SELECT number FROM core_users) AND item_number IN (SELECT number FROM core_items)"
    _keep(database, before.table, "core_interactions", condition)
    return count_step(database, "k_core", "core_interactions", rounds)


def k_core(
    blocks: Callable[[], Iterable[Block]], users: int, items: int, k: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return users and items of the k-core of interactions, ascending, and the rounds it took.

    The k-core is the largest set of interactions in which every user and every item has at least k >= 1. A round drops
    all interactions of users and items that have fewer; the rounds end when none is dropped.

    blocks: yields all interactions, the same at each call, as integers [n] of users below `users` and of items below
    `items`. One block is held at a time, and three counts of each user and item.
    """
    has_enough = np.ones(users, dtype=bool), np.ones(items, dtype=bool)
    rounds = 0
    while True:
        counts = np.zeros(users, dtype=np.int64), np.zeros(items, dtype=np.int64)
        for block in blocks():
            keep = has_enough[0][block[0]] & has_enough[1][block[1]]
            for of, numbers in zip(counts, block, strict=True):
                of += np.bincount(numbers[keep], minlength=len(of))
        has_enough = counts[0] >= k, counts[1] >= k
        if all(of[~enough].sum() == 0 for of, enough in zip(counts, has_enough, strict=True)):
            return np.flatnonzero(has_enough[0]), np.flatnonzero(has_enough[1]), rounds
        rounds += 1


def _keep(database: Database, table: str, kept: str, condition: str) -> None:
    """Make `kept` of the rows of `table` that meet a condition, and drop `table`."""
    database.execute(f"CREATE TABLE {kept} AS SELECT * FROM {table} WHERE {condition}")
    database.execute(f"DROP TABLE {table}")


def _examples(database: Database, part_of_items: str) -> str:
    """Return the ids of the first three items, in words."""
    rows = database.rows(f"SELECT item_id FROM {part_of_items} ORDER BY rowid LIMIT 3")
    return ", ".join(repr(row.item_id) for row in rows)
