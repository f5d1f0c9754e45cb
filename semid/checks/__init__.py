"""Options declared once: a dataclass field's annotation gives its type, range and text, and these check its value.

A field is written `epochs: Annotated[int, Ge(0), doc("Passes over the training rows.")] = 60`. From it follow the check
of a value (:func:`check_options`), what `help` says of the class (:func:`documented`), the JSON schema of the
configuration and the tables of the documentation (`semid.settings`). Ranges are those of the package annotated-types.
Standard library and annotated-types only.
"""

from annotated_types import doc

from semid.checks.annotations import (
    WITHOUT_BRACES,
    Choices,
    FilePath,
    KeysOf,
    Pattern,
    Worded,
    at_encode,
    unique_items,
)
from semid.checks.check import check_options
from semid.checks.docstrings import documented, prose_of
from semid.checks.expectations import Expected, Option, expected_of, object_schema, option_schema, options_of

__all__ = [
    "WITHOUT_BRACES",
    "Choices",
    "Expected",
    "FilePath",
    "KeysOf",
    "Option",
    "Pattern",
    "Worded",
    "at_encode",
    "check_options",
    "doc",
    "documented",
    "expected_of",
    "object_schema",
    "option_schema",
    "options_of",
    "prose_of",
    "unique_items",
]
