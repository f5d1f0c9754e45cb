"""What commands share: options as `name=value`, and what the library says while it works."""

import json
import logging
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from semid.errors import InputError


def named_values(texts: Sequence[str], known: Collection[str]) -> dict[str, Any]:
    """Return options, each given as `name=value`: a value as JSON has it, any other as text.

    Raises `InputError` for a name that is not `known`.
    """
    values = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or name not in known:
            raise InputError(f"--option {text}: expected name=value, with one of {', '.join(known) or 'no names'}")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return values


@contextmanager
def shown_log() -> Iterator[None]:
    """Show warnings, and what the library says of its progress, on standard error."""
    logger, handler = logging.getLogger("semid"), logging.StreamHandler(sys.stderr)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
