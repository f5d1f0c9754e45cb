"""From the fields of new items to the texts that the recorded template makes of them."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from semid.embeddings.text import render
from semid.errors import InputError
from semid.templates import template_fields

logger = logging.getLogger(__name__)


def texts_of_items(items: Sequence[str | Mapping[str, Any]], template: str) -> list[str]:
    """Render each item: a row of the fields that the template names, or a text where it names one field.

    A field is a text, a list of texts, or None where it is empty; fields that the template does not name are not read.
    Raises `InputError`, which names the item by its place, where a field is missing or of another kind.
    """
    pieces = template_fields(template)
    fields = list(dict.fromkeys(field for _, field in pieces if field))
    if isinstance(items, str | Mapping):
        raise InputError("expected a list of items, got one: put it into a list")
    if not len(items):
        raise InputError("expected at least one item, got none")
    rows = []
    for place, item in enumerate(items):
        if isinstance(item, str):
            if len(fields) > 1:
                raise InputError(
                    f"item {place} is a text, but {template!r} has several fields: give each item as a map of "
                    f"{', '.join(fields)}"
                )
            item = {fields[0]: item}
        if not isinstance(item, Mapping):
            raise InputError(f"item {place} is {type(item).__name__}: expected a text, or a map of {', '.join(fields)}")
        for field in fields:
            if field not in item:
                raise InputError(
                    f"item {place} has no {field!r}, which {template!r} names: give it, None where it is empty"
                )
            value = item[field]
            parts = value if isinstance(value, list) else [value]
            if not all(part is None or isinstance(part, str) for part in parts):
                raise InputError(
                    f"item {place}: {field!r} is {value!r}; expected a text, a list of texts or None; numbers as they "
                    "are written in the item files"
                )
        rows.append(dict(item))
    texts = [render(pieces, row) for row in rows]
    without = texts.count("")
    if without:
        logger.warning("%d of %d items have no text under the template %r", without, len(texts), template)
    return texts
