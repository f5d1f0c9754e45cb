"""The template of an item's text, such as `{title} {price}`, parsed here and nowhere else.

Standard library only: Snakemake imports it while planning.
"""

from string import Formatter

from semid.errors import InputError

# The fields that every item table has, under our names, whatever their columns are called.
TEXT_FIELDS = ("title", "description", "categories", "store")
# Columns of the item table that are made here.
MADE_HERE = ("item_index", "in_train", "in_core")
EXPECTED = f"expected {', '.join(f'{{{field}}}' for field in TEXT_FIELDS)}, or a column of the item files in braces"


def template_fields(template: str) -> list[tuple[str, str | None]]:
    """A template such as `"{title} {description}"` as pairs of literal text and the field after it.

    A field is one of :data:`TEXT_FIELDS`, or a column of the item files by its own name. Raises `InputError` for a
    template without a field, and for more than a name in braces.
    """
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        raise InputError(f"text template {template!r}: {error}; {EXPECTED}") from None
    for _, field, form, conversion in pieces:
        if field is not None and (not field.strip() or field in MADE_HERE or form or conversion):
            inside = f"{field}{f'!{conversion}' if conversion else ''}{f':{form}' if form else ''}"
            raise InputError(f"text template {template!r}: {{{inside}}} is no field; {EXPECTED}")
    if not any(field for _, field, _, _ in pieces):
        raise InputError(f"text template {template!r} names no field; {EXPECTED}")
    return [(literal, field) for literal, field, _, _ in pieces]


def columns_beside(template: str) -> tuple[str, ...]:
    """The columns of the item files that a template names beside :data:`TEXT_FIELDS`: each once, in order of name.

    They are the same whatever the wording around them. Raises `InputError` as :func:`template_fields` does.
    """
    fields = {field for _, field in template_fields(template) if field}
    return tuple(sorted(fields - {*TEXT_FIELDS, "item_id"}))
