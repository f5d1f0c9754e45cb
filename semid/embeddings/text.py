"""From the item table to one line of text an item."""

from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any

import pyarrow.parquet as pq

from semid.errors import InputError

TEXT_FIELDS = ("title", "description", "categories", "store")
TEXTS_AT_ONCE = 16_384


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
    with pq.ParquetFile(items_path) as file:
        missing = [name for name in columns if name not in file.schema_arrow.names]
        if missing:
            raise InputError(
                f"{items_path}: no column {', '.join(missing)}, which the text template {template!r} names"
            )
        row = 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if row < stop and row + rows > start:
                at = row
                for batch in file.iter_batches(TEXTS_AT_ONCE, row_groups=[group], columns=columns):
                    batch_start, at = at, at + len(batch)
                    wanted = batch[max(start - batch_start, 0) : max(stop - batch_start, 0)]
                    if len(wanted):
                        yield [render(pieces, item) for item in wanted.to_pylist()]
            row += rows
