"""Values of any type as text: of any column of the items, for the template of an item's text."""

import ast
import json
import re
import warnings
from typing import Any

import pyarrow as pa

# A longer text is not tried as a literal of Python, whose parser takes memory many times its length.
LONGEST_LITERAL = 1 << 16
# Texts side by side, as numpy prints them: Python would make one of them.
SIDE_BY_SIDE = re.compile(r"['\"]\s+u?['\"]")


def value_texts(values: pa.Array) -> pa.StringArray:
    """Return the text of each value, which is given as JSON; null becomes empty.

    Numbers stay as they are written, and a list is its parts joined by ", ". A record is `key: value; key: value`. Of
    both, what is null or empty is left out. A text that holds a list or a record, as JSON or as Python writes them, is
    read as such.
    """
    encoded = values.dictionary_encode()
    # halves of surrogate pairs, which JSON can escape, are no text in UTF-8
    as_written = (value_text(value).encode("utf-8", "replace") for value in encoded.dictionary.to_pylist())
    texts = pa.array((text.decode("utf-8") for text in as_written), pa.string())
    return texts.take(encoded.indices).fill_null("")


def value_text(encoded: str | None) -> str:
    """Return the text of one value that is given as JSON, as :func:`value_texts` describes it."""
    if encoded is None:
        return ""
    try:
        value = _from_json(encoded)
    except (ValueError, RecursionError):
        return encoded
    try:
        return _text(_structured(value) if isinstance(value, str) else value)
    except RecursionError:
        return value if isinstance(value, str) else encoded


def _from_json(text: str) -> Any:
    """Return a value of JSON with its numbers as they are written, and NaN as nothing."""
    return json.loads(text, parse_float=str, parse_int=str, parse_constant=lambda _: None)


def _structured(text: str) -> Any:
    """Return the list or record that a text holds, and any other text as it is."""
    inside = text.strip()
    if (inside[:1], inside[-1:]) not in (("[", "]"), ("{", "}")):
        return text
    try:
        return _from_json(inside)
    except (ValueError, RecursionError):
        pass
    if len(inside) > LONGEST_LITERAL or SIDE_BY_SIDE.search(inside):
        return text
    try:
        with warnings.catch_warnings():
            # of escapes that Python does not know
            warnings.simplefilter("ignore")
            value = ast.literal_eval(inside)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return text
    # a set has no order
    return value if isinstance(value, dict | list) else text


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "; ".join(f"{key}: {text}" for key, text in ((key, _text(part)) for key, part in value.items()) if text)
    if isinstance(value, list | tuple):
        return ", ".join(filter(None, map(_text, value)))
    return str(value).strip()
