"""From the item table to one line of text an item."""

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from semid.errors import InputError
from semid.files import column_list
from semid.items import REMEDY, item_batches, item_columns
from semid.templates import template_fields

# numpy compares and sorts byte strings of a fixed size as they are, to the last byte
DIGEST = np.dtype("S16")


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
    """Texts of the rows `start:stop` of `items.parquet`, in order, in lists of at most 16,384 texts.

    Raises `InputError` for a template as :func:`semid.templates.template_fields` does, and for one that names a column
    that the table does not have.
    """
    pieces = template_fields(template)
    columns = list(dict.fromkeys(field for _, field in pieces if field))
    names = item_columns(items_path)
    if missing := [name for name in columns if name not in names]:
        raise InputError(
            f"text template {template!r}: {items_path} has no column {', '.join(missing)}; its columns are "
            f"{column_list(names)}{REMEDY}"
        )
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
