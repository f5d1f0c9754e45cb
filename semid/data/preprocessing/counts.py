"""Counts of rows on the way: what a step leaves, and what is dropped for which reason."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from semid.data.connection import Database

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """The interactions that a step leaves: its name in stats.json, the table that holds them, and their numbers.

    rounds: those of the k-core; None for other steps.
    """

    name: str
    table: str
    rows: int
    users: int
    items: int
    rounds: int | None = None

    def counts(self) -> dict[str, Any]:
        """Return what stats.json says of the step."""
        counts: dict[str, Any] = {"step": self.name, "rows": self.rows, "users": self.users, "items": self.items}
        return counts if self.rounds is None else {**counts, "rounds": self.rounds}


def count_step(database: Database, name: str, table: str, rounds: int | None = None) -> Step:
    """Count the numbered interactions in `table`, for stats.json and the log."""
    left = database.row(
        "SELECT count(*) AS rows, count(DISTINCT user_number) AS users, count(DISTINCT item_number) AS items "
        f"FROM {table}"
    )
    logger.info("%s: %s interactions, %s users, %s items", name, f"{left.rows:,}", f"{left.users:,}", f"{left.items:,}")
    return Step(name, table, left.rows, left.users, left.items, rounds)


def without_zeros(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the counts that are not 0."""
    return {name: n for name, n in counts.items() if n}


def described(counts: Mapping[str, int]) -> str:
    """Return counts of rows by the reason for which they are dropped, in words."""
    return ", ".join(f"{reason}: {n:,}" for reason, n in without_zeros(counts).items()) or "no reason counted"
