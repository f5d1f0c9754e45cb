"""The state of one run of preprocessing: a database, and what is counted on the way."""

import logging
from typing import Any

from semid.data.database import Database
from semid.data.preprocessing.settings import PreprocessSettings
from semid.data.sources.source import Source

logger = logging.getLogger(__name__)


class Run:
    """One run over a database. Tables, in the order they appear:

    raw_items(item_id, title, description, categories, store, dropped, wrong)      rowid = source order
    raw_interactions(user_id, item_id, timestamp, rating, split, dropped, wrong)   rowid = source order
    users(user_id), items(item_id, listing, known)                                 rowid = number, by id
    events(user_number, item_number, timestamp, rating, source_row, split)         replaced by every step
    kept_items(item_number, in_train)                                              rowid = item_index
    """

    def __init__(self, database: Database, source: Source, settings: PreprocessSettings) -> None:
        self.database, self.source, self.settings = database, source, settings
        self.is_split = any(split is not None for _, split in source.interaction_files)
        self.steps: list[dict[str, Any]] = []
        self.malformed: dict[str, int] = {}
        self.wrong_types: dict[str, dict[str, int]] = {"interactions": {}, "items": {}}
        self.dropped: dict[str, dict[str, int]] = {"interactions": {}, "items": {}}
        self.facts: dict[str, Any] = {}
        # whether there is a list of items, which interactions are held against; known once items have numbers
        self.has_listings = False
        database.execute(
            "CREATE TABLE raw_items (item_id VARCHAR, title VARCHAR, description VARCHAR, categories VARCHAR[], "
            "store VARCHAR, dropped VARCHAR, wrong UTINYINT)"
        )
        database.execute(
            "CREATE TABLE raw_interactions (user_id VARCHAR, item_id VARCHAR, timestamp BIGINT, rating FLOAT, "
            "split VARCHAR, dropped VARCHAR, wrong UTINYINT)"
        )

    def examples(self, table: str) -> str:
        """The first ids of items of a table or of a part of one, in words."""
        ids = self.database.rows(f"SELECT item_id FROM {table} ORDER BY rowid LIMIT 3")
        return ", ".join(repr(item_id) for (item_id,) in ids)

    def keep(self, condition: str, reason: str) -> None:
        """Replace events by those that meet `condition`; count the others under `reason`."""
        before = self.database.count("SELECT count(*) FROM events")
        self.database.execute(f"CREATE TABLE kept_events AS SELECT * FROM events WHERE {condition}")
        self.database.execute("DROP TABLE events")
        self.database.execute("ALTER TABLE kept_events RENAME TO events")
        after = self.database.count("SELECT count(*) FROM events")
        self.dropped["interactions"][reason] = before - after

    def step(self, name: str, **facts: int) -> None:
        """Count the events that are left, for stats.json and the log; `facts` are counts of the step's own."""
        if not self.source.interaction_files:
            return
        rows, users, items = self.database.row(
            "SELECT count(*), count(DISTINCT user_number), count(DISTINCT item_number) FROM events"
        )
        step = {"step": name, "rows": rows, "users": users, "items": items, **facts}
        logger.info("%s: %s interactions, %s users, %s items", name, f"{rows:,}", f"{users:,}", f"{items:,}")
        self.steps.append(step)


def described(counts: dict[str, int]) -> str:
    """Counts of rows by the reason for which they are dropped, in words."""
    return ", ".join(f"{reason}: {n:,}" for reason, n in counts.items() if n) or "no reason counted"
