"""Step 4: interactions are put in the order of time and split, and the items that get a row are chosen.

Replaces the table of filtered interactions by split_interactions, sorted by user, then time, then source order (or a
seeded shuffle). Makes catalogue(item_number, in_train, in_core), whose `rowid` is the item_index.
"""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from semid.data.connection import Database
from semid.data.preprocessing.counts import described
from semid.data.preprocessing.settings import LEAVE_LAST_OUT, PreprocessSettings
from semid.data.sources.source import SPLITS, Source
from semid.errors import InputError

logger = logging.getLogger(__name__)

MIN_HISTORY = 3  # interactions that a user needs, for leave_last_out to have one in each split


class Chosen(NamedTuple):
    """The items that get a row, those of them with an interaction in train and those of the core, and the known items
    that a k-core dropped.
    """

    rows: int
    in_train: int
    in_core: int
    dropped: int

    def counts(self) -> dict[str, int]:
        """Return what stats.json says of the rows of items.parquet."""
        outside = self.rows - self.in_core
        return {"rows": self.rows, "in_train": self.in_train, "in_core": self.in_core, "outside_core": outside}


def split_interactions(database: Database, table: str, source: Source, settings: PreprocessSettings) -> None:
    """Sort the interactions in `table`, and name the split of each; those that come in splits keep theirs."""
    # A digest depends on nothing but seed and row, so that any version and thread count shuffles alike.
    key = "source_row"
    if settings.ties == "shuffle":
        key = f"md5_number('{settings.seed}:' || source_row), source_row"
    part = "CASE split WHEN 'valid' THEN 1 WHEN 'test' THEN 2 ELSE 0 END"
    database.execute(
        f"CREATE TABLE ordered_interactions AS SELECT * FROM {table} ORDER BY user_number, {part}, timestamp, {key}"
    )
    database.execute(f"DROP TABLE {table}")
    database.execute(
        "CREATE TABLE histories AS SELECT user_number, max(rowid) AS last, count(*) AS length "
        "FROM ordered_interactions GROUP BY user_number"
    )
    database.execute(
        f"CREATE TABLE split_interactions AS SELECT o.* REPLACE ({_split_of_row(source, settings)} AS split) "
        "FROM ordered_interactions o JOIN histories h ON h.user_number = o.user_number ORDER BY o.rowid"
    )
    database.execute("DROP TABLE ordered_interactions")


def _split_of_row(source: Source, settings: PreprocessSettings) -> str:
    """Return SQL for the split of a row `o` of ordered_interactions, `h` being the history of its user."""
    if source.is_split:
        return "o.split"
    if isinstance(settings.split, str):
        return (
            f"CASE WHEN h.length < {MIN_HISTORY} THEN 'train' WHEN o.rowid = h.last THEN 'test' "
            "WHEN o.rowid = h.last - 1 THEN 'valid' ELSE 'train' END"
        )
    valid_from, test_from = (int(time) for time in settings.split)
    return (
        f"CASE WHEN o.timestamp < {valid_from} THEN 'train' WHEN o.timestamp < {test_from} THEN 'valid' ELSE 'test' END"
    )


def count_splits(
    database: Database, source: Source, settings: PreprocessSettings, dropped: Mapping[str, int]
) -> dict[str, Any]:
    """Return what stats.json says of ties and splits: nothing without interactions.

    dropped: interactions by the reason for which they were dropped. Raises InputError where train or test is empty.
    """
    if not source.interaction_files:
        return {}
    users = database.row(
        "SELECT count(*) FILTER (h.length > 1) AS with_two, count(*) FILTER (h.length > 1 "
        f"AND a.timestamp = b.timestamp) AS tied, count(*) FILTER (h.length < {MIN_HISTORY}) AS too_short "
        "FROM histories h JOIN split_interactions a ON a.rowid = h.last "
        "LEFT JOIN split_interactions b ON b.rowid = h.last - 1"
    )
    share = users.tied / users.with_two if users.with_two else 0.0
    ties = {"users_with_two_interactions": users.with_two, "last_two_tied": users.tied, "share": share}
    leaves_last_out = settings.split == LEAVE_LAST_OUT and not source.is_split
    sizes = {split: {"rows": 0, "users": 0, "items": 0} for split in SPLITS}
    for row in database.rows(
        "SELECT split, count(*) AS rows, count(DISTINCT user_number) AS users, count(DISTINCT item_number) AS items "
        "FROM split_interactions GROUP BY split"
    ):
        sizes[row.split] = {"rows": row.rows, "users": row.users, "items": row.items}
    for split in ("train", "test"):
        if not sizes[split]["rows"]:
            raise InputError(_empty_split(database, source, settings, dropped, split))
    if not sizes["valid"]["rows"]:
        logger.warning("the valid split is empty: nothing can be chosen on it")
    too_short = {"users_too_short_to_split": users.too_short} if leaves_last_out else {}
    return {"ties": ties, **too_short, "splits": sizes}


def _empty_split(
    database: Database, source: Source, settings: PreprocessSettings, dropped: Mapping[str, int], name: str
) -> str:
    """Return the message that says why the split `name` is empty."""
    if source.is_split:
        path = next(file.path for file in source.interaction_files if file.split == name)
        return f"splits: {name}: no row of {path} is left ({described(dropped)})"
    if isinstance(settings.split, str):
        return f"split: {name} is empty: no user has {MIN_HISTORY} interactions, which leave_last_out needs"
    times = database.row("SELECT min(timestamp) AS first, max(timestamp) AS last FROM split_interactions")
    return (
        f"split: {name} is empty: the timestamps {list(settings.split)} must lie inside those of the "
        f"interactions, {times.first} to {times.last}"
    )


def choose_items(database: Database, source: Source, settings: PreprocessSettings) -> Chosen:
    """Make catalogue of the known items: of all, or of those of the core, as `settings.catalogue` says.

    With a k-core, the core has the items that still have interactions; else it has all known items. Without
    interactions every item is in train.
    """
    if settings.is_official:
        has_core = source.official_splits[str(settings.split)] > 0
    else:
        has_core = bool(source.interaction_files) and not source.is_split and settings.k_core > 0
    in_train = "rowid IN (SELECT item_number FROM split_interactions WHERE split = 'train')"
    in_core = "rowid IN (SELECT item_number FROM split_interactions)"
    database.execute(
        "CREATE TABLE catalogue AS SELECT rowid::INTEGER AS item_number, "
        f"{in_train if source.interaction_files else 'true'} AS in_train, {in_core if has_core else 'true'} AS in_core "
        f"FROM items WHERE known {f'AND {in_core}' if has_core and settings.catalogue == 'core' else ''} ORDER BY rowid"
    )
    kept = database.row(
        "SELECT count(*) AS rows, count(*) FILTER (in_train) AS in_train, count(*) FILTER (in_core) AS in_core "
        "FROM catalogue"
    )
    logger.info("items: %s get a row, %s of them are core items", f"{kept.rows:,}", f"{kept.in_core:,}")
    return Chosen(kept.rows, kept.in_train, kept.in_core, database.count("items WHERE known") - kept.rows)
