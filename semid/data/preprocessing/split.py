"""Interactions in the order of time, split; and the items that stay."""

import logging

from semid.data.preprocessing.run import Run, described
from semid.data.sources.source import SPLITS, Counts
from semid.errors import InputError

logger = logging.getLogger(__name__)

MIN_HISTORY = 3  # interactions of a user, for leave_last_out to have one in each split


def order_and_split(run: Run) -> None:
    """Sort events by user, time and source order (or seeded shuffle), and name the split of each."""
    database, settings = run.database, run.settings
    # A digest depends on nothing but seed and row, so any version and thread count shuffles alike.
    key = "source_row" if settings.ties == "source" else f"md5_number('{settings.seed}:' || source_row), source_row"
    part = "CASE split WHEN 'valid' THEN 1 WHEN 'test' THEN 2 ELSE 0 END"
    database.execute(f"CREATE TABLE ordered AS SELECT * FROM events ORDER BY user_number, {part}, timestamp, {key}")
    database.execute(
        "CREATE TABLE histories AS SELECT user_number, max(rowid) AS last, count(*) AS length FROM ordered "
        "GROUP BY user_number"
    )
    if run.is_split:
        split = "split"
    elif isinstance(settings.split, str):
        split = (
            f"CASE WHEN length < {MIN_HISTORY} THEN 'train' WHEN o.rowid = last THEN 'test' "
            "WHEN o.rowid = last - 1 THEN 'valid' ELSE 'train' END"
        )
    else:
        t1, t2 = (int(t) for t in settings.split)
        split = f"CASE WHEN timestamp < {t1} THEN 'train' WHEN timestamp < {t2} THEN 'valid' ELSE 'test' END"
    database.execute("DROP TABLE events")
    database.execute(
        f"CREATE TABLE events AS SELECT o.* EXCLUDE (split), {split} AS split FROM ordered o "
        "JOIN histories h ON h.user_number = o.user_number ORDER BY o.rowid"
    )
    database.execute("DROP TABLE ordered")
    if not run.source.interaction_files:
        return
    users, tied, short = database.row(
        "SELECT count(*) FILTER (length > 1), count(*) FILTER (length > 1 AND a.timestamp = b.timestamp), "
        f"count(*) FILTER (length < {MIN_HISTORY}) FROM histories h JOIN events a ON a.rowid = h.last "
        "LEFT JOIN events b ON b.rowid = h.last - 1"
    )
    run.facts["ties"] = {
        "users_with_two_interactions": users,
        "last_two_tied": tied,
        "share": tied / users if users else 0.0,
    }
    if settings.split == "leave_last_out" and not run.is_split:
        run.facts["users_too_short_to_split"] = short
    sizes = {split: {"rows": 0, "users": 0, "items": 0} for split in SPLITS}
    for split, rows, users, items in database.rows(
        "SELECT split, count(*), count(DISTINCT user_number), count(DISTINCT item_number) FROM events GROUP BY split"
    ):
        sizes[split] = {"rows": rows, "users": users, "items": items}
    run.facts["splits"] = sizes
    for split in ("train", "test"):
        if not sizes[split]["rows"]:
            raise InputError(_empty_split(run, split))
    if not sizes["valid"]["rows"]:
        logger.warning("the valid split is empty: nothing can be chosen on it")


def _empty_split(run: Run, name: str) -> str:
    if run.is_split:
        path = next(path for path, split in run.source.interaction_files if split == name)
        return f"splits: {name}: no row of {path} is left ({described(run.dropped['interactions'])})"
    if isinstance(run.settings.split, str):
        return f"split: {name} is empty: no user has {MIN_HISTORY} interactions, which leave_last_out needs"
    first, last = run.database.row("SELECT min(timestamp), max(timestamp) FROM events")
    return (
        f"split: {name} is empty: the timestamps {list(run.settings.split)} must lie inside those of the "
        f"interactions, {first} to {last}"
    )


def index_items(run: Run) -> None:
    """Number the items that stay: those of the events after a k-core, else the whole catalogue."""
    if run.settings.is_official:
        filtered = run.source.official_splits[str(run.settings.split)] > 0
    else:
        filtered = bool(run.source.interaction_files) and not run.is_split and run.settings.k_core > 0
    in_train = "rowid IN (SELECT item_number FROM events WHERE split = 'train')"
    run.database.execute(
        "CREATE TABLE kept_items AS SELECT rowid::INTEGER AS item_number, "
        f"{in_train if run.source.interaction_files else 'true'} AS in_train FROM items WHERE known "
        f"{'AND rowid IN (SELECT item_number FROM events)' if filtered else ''} ORDER BY rowid"
    )
    n, n_train = run.database.row("SELECT count(*), count(*) FILTER (in_train) FROM kept_items")
    known = run.database.count("SELECT count(*) FROM items WHERE known")
    run.dropped["items"]["k_core"] = known - n
    run.facts["items"] = {"rows": n, "in_train": n_train}


def compare_with_published(run: Run) -> None:
    """Say whether the k-core of a category has the size that was published, where one was."""
    settings = run.settings
    if run.is_split:
        k_core = run.source.official_splits.get(str(settings.split), 0)
    else:
        k_core = 0 if settings.repeats == "keep" else settings.k_core
    published = run.source.published(k_core)
    if published is None:
        return
    category, expected = published
    last = run.steps[-1]
    found = Counts(last["users"], last["items"], last["rows"])
    run.facts["published"] = {
        "category": category,
        "expected": expected._asdict(),
        "found": found._asdict(),
        "matches": found == expected,
    }
    sizes = [f"{n.users:,} users, {n.items:,} items, {n.interactions:,} interactions" for n in (found, expected)]
    if found == expected:
        logger.info("%s: the %s-core has its published size", category, k_core)
    else:
        logger.warning(
            "%s: THE %s-CORE IS NOT THE PUBLISHED ONE: found %s; published %s. Metrics on it do not compare with "
            "published ones. Either the files differ from the release, or rows were dropped that count there (%s)",
            category,
            k_core,
            *sizes,
            described(run.dropped["interactions"]),
        )
