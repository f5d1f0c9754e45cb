"""From the item table to one line of text an item."""

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np

from semid.errors import InputError
from semid.items import item_batches

TEXT_FIELDS = ("title", "description", "categories", "store")
# numpy compares and sorts byte strings of a fixed size as they are, to the last byte
DIGEST = np.dtype("S16")


def template_fields(template: str) -> list[tuple[str, str | None]]:
    """A template such as `"{title} {description}"` as pairs of literal text and the field after it.

    Raises `InputError` for a field that an item table does not have and for more than a field's name in braces.
    """
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        raise InputError(f"text template {template!r}: {error}") from None
    for _, field, form, conversion in pieces:
        if field is not None and (field not in TEXT_FIELDS or form or conversion):
            raise InputError(f"text template {template!r}: unknown field {field!r}; fields: {', '.join(TEXT_FIELDS)}")
    if not any(field for _, field, _, _ in pieces):
        raise InputError(f"text template {template!r} names no field; fields: {', '.join(TEXT_FIELDS)}")
    return [(literal, field) for literal, field, _, _ in pieces]


def _field_text(value: Any) -> str:
    return ", ".join(part for part in value if part) if isinstance(value, list) else (value or "")


def render(pieces: list[tuple[str, str | None]], item: dict[str, Any]) -> str:
    """The text of one item, white space collapsed; empty when all of the template's fields are empty."""
    values = [_field_text(item[field]) if field else "" for _, field in pieces]
    if not any(value.strip() for value in values):
        return ""
    joined = "".join(literal + value for (literal, _), value in zip(pieces, values, strict=True))
    return " ".join(joined.split())


def item_texts(items_path: str | Path, template: str, start: int, stop: int) -> Iterator[list[str]]:
    """Texts of the rows `start:stop` of `items.parquet`, in order, in lists of at most 16,384 texts."""
    pieces = template_fields(template)
    columns = list(dict.fromkeys(field for _, field in pieces if field))
    for batch in item_batches(items_path, columns, start, stop, by_row_group=True):
        yield [render(pieces, item) for item in batch.to_pylist()]


def text_digests(items_path: str | Path, template: str, start: int, stop: int) -> np.ndarray:
    """BLAKE2b of the texts of the rows `start:stop`, 16 bytes each: `[stop - start]`."""
    digests = np.empty(stop - start, DIGEST)
    done = 0
    for texts in item_texts(items_path, template, start, stop):
        joined = b"".join(text_digest(text) for text in texts)
        digests[done : done + len(texts)] = np.frombuffer(joined, DIGEST)
        done += len(texts)
    return digests


def text_digest(text: str) -> bytes:
    """BLAKE2b of a text: 16 bytes."""
    return blake2b(text.encode(), digest_size=DIGEST.itemsize).digest()


def first_rows(digests: np.ndarray) -> np.ndarray:
    """For every row of `digests [n]` the first row with the same digest: int64 `[n]`."""
    _, first, group = np.unique(digests, return_index=True, return_inverse=True)
    return first[group]
