"""Docstrings that list the options of a class, made from its annotations, for `help` and for editors."""

import inspect
import re
import textwrap
from typing import Any, TypeVar, get_type_hints

from semid.checks.expectations import Option, options_of

# what is documented changes no result
__affects_results__ = False

_HEADING = "Parameters\n----------"
_WIDTH = 92

_Class = TypeVar("_Class", bound=type)


def documented(kind: _Class) -> _Class:
    """Add the options that a dataclass declares to its docstring, and return the class; a decorator above `dataclass`.

    Prose stays first. An option follows with what it may be, its default and its text, in the form that numpy's
    documentation has. The signature of the constructor names plain types, without texts and ranges.
    """
    types = get_type_hints(kind)
    entries = "\n".join(_entry(option, types[option.name]) for option in options_of(kind))
    kind.__doc__ = f"{prose_of(kind)}\n\n{_HEADING}\n{entries}\n"
    constructor: Any = vars(kind)["__init__"]
    constructor.__annotations__ = {**get_type_hints(constructor), "return": None}
    return kind


def prose_of(kind: type) -> str:
    """The docstring of a class without the options that :func:`documented` added."""
    return (inspect.getdoc(kind) or "").partition(f"\n\n{_HEADING}\n")[0]


def _entry(option: Option, kind: Any) -> str:
    """Name, expectation and default of an option in a line, and its text below; `kind` is its type."""
    expected = option.expected.text if option.expected is not None else inspect.formatannotation(kind)
    default = "" if option.is_required else f", default {option.default!r}"
    line = textwrap.fill(f"{option.name} : {_in_python(expected)}{default}", _WIDTH, subsequent_indent=" " * 8)
    return f"{line}\n{textwrap.indent(textwrap.fill(_in_python(option.text), _WIDTH - 4), ' ' * 4)}"


def _in_python(text: str) -> str:
    """The words of configuration files, in which options are declared, as Python has them."""
    return re.sub(r"\bnull\b", "None", text.replace("true or false", "True or False"))
