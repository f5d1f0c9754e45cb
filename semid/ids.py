"""Ids of items and users, as messages show them."""

from typing import Any

SHOWN = 5


def first_few(ids: Any) -> str:
    """Return the first five ids, quoted, and dots if there are more."""
    shown = [str(name) for name in ids[:SHOWN]]
    return ", ".join(map(repr, shown)) + (", …" if len(ids) > SHOWN else "")
