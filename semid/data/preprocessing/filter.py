"""Users and items get numbers, and interactions that do not count are dropped."""

import logging

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from semid.data.preprocessing.run import Run
from semid.errors import InputError

logger = logging.getLogger(__name__)

UNKNOWN_TO_WARN_OF = 0.1


def number(run: Run) -> None:
    """Give users and items integers in the order of their ids; choose the listing that describes an item."""
    database = run.database
    run.has_listings = database.count("SELECT count(*) FROM raw_items WHERE dropped IS NULL") > 0
    # The first listing with a title: those without are numbered behind all others.
    behind = 1 << 60
    listing = f"rowid + CASE WHEN coalesce(trim(title), '') = '' THEN {behind} ELSE 0 END"
    database.execute(
        f"CREATE TABLE items AS SELECT item_id, min(listing) & {behind - 1} AS listing, "
        f"{'min(listing) IS NOT NULL' if run.has_listings else 'true'} AS known FROM ("
        f"SELECT item_id, {listing} AS listing FROM raw_items WHERE dropped IS NULL UNION ALL "
        "SELECT item_id, NULL FROM raw_interactions WHERE dropped IS NULL) GROUP BY item_id ORDER BY item_id"
    )
    database.execute(
        "CREATE TABLE users AS SELECT DISTINCT user_id FROM raw_interactions WHERE dropped IS NULL ORDER BY user_id"
    )
    database.execute(
        "CREATE TABLE events AS SELECT u.rowid::INTEGER AS user_number, i.rowid::INTEGER AS item_number, "
        "r.timestamp, r.rating, r.rowid AS source_row, r.split FROM raw_interactions r "
        "JOIN users u ON u.user_id = r.user_id JOIN items i ON i.item_id = r.item_id WHERE r.dropped IS NULL"
    )
    database.execute("DROP TABLE raw_interactions")
    if run.has_listings and not run.source.items_from_splits:
        rows, ids = database.row("SELECT count(*), count(DISTINCT item_id) FROM raw_items WHERE dropped IS NULL")
        run.dropped["items"]["duplicate_listing"] = rows - ids
    run.step("usable")


def drop_unknown_items(run: Run) -> None:
    """Drop interactions of items that the item file does not list; valid and test rows of given splits stay."""
    if not run.source.interaction_files or not run.has_listings:
        return
    unknown = "item_number IN (SELECT rowid FROM items WHERE NOT known)"
    if not run.database.count(f"SELECT count(*) FROM events WHERE NOT {unknown}"):
        here = run.examples("items WHERE rowid IN (SELECT item_number FROM events)")
        there = run.examples("items WHERE known")
        raise InputError(
            f"no interaction has an item of the item file: interactions name {here}, the item file {there}; "
            "check columns: item_id, and that both files write ids alike"
        )
    share, example = run.database.row(
        f"SELECT avg(({unknown})::INTEGER), any_value(item_number) FILTER ({unknown}) FROM events"
    )
    if share > UNKNOWN_TO_WARN_OF:
        example = run.examples(f"items WHERE rowid = {example}")
        logger.warning(
            "%.0f%% of the interactions name items that the item file lacks, such as %s", 100 * share, example
        )
    run.keep(f"NOT {unknown} OR split IN ('valid', 'test')", "unknown_item")
    run.step("known_items")


def drop_repeats(run: Run) -> None:
    """Keep one of a user's interactions with an item."""
    if run.settings.repeats == "keep":
        return
    direction = "ASC" if run.settings.repeats == "first" else "DESC"
    run.keep(
        "true QUALIFY row_number() OVER (PARTITION BY user_number, item_number "
        f"ORDER BY timestamp {direction}, source_row {direction}) = 1",
        "repeated",
    )
    run.step("repeats")


def apply_k_core(run: Run) -> None:
    """Keep the interactions of the k-core; an InputError where it is empty."""
    k = run.settings.k_core
    if k == 0:
        return
    before = run.steps[-1]
    users, items = run.database.integers("SELECT user_number, item_number FROM events")
    users, items, rounds = k_core(users, items, k)
    if not len(users):
        raise InputError(
            f"k_core: no user is left with {k} interactions each of a user and an item; before there were "
            f"{before['rows']:,} interactions of {before['users']:,} users with {before['items']:,} items. "
            "Lower k_core (0 switches it off)"
        )
    run.database.add_table("core_users", "number", pa.int32(), users)
    run.database.add_table("core_items", "number", pa.int32(), items)
    run.keep(
        "user_number IN (SELECT number FROM core_users) AND item_number IN (SELECT number FROM core_items)",
        "k_core",
    )
    run.step("k_core", rounds=rounds)


def k_core(
    users: NDArray[np.int32], items: NDArray[np.int32], k: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], int]:
    """Return users and items of the k-core of interactions (users[i], items[i]), ascending, and the rounds it took.

    The k-core is the largest set of interactions in which every user and every item has at least k. A round drops all
    interactions of users and items that have fewer; the rounds end when none is dropped.
    """
    rounds = 0
    while True:
        keep = (np.bincount(users) >= k)[users] & (np.bincount(items) >= k)[items]
        if keep.all():
            return np.unique(users), np.unique(items), rounds
        users, items = users[keep], items[keep]
        rounds += 1
