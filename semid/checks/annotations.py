"""Annotations of options, beside the ranges of the package annotated-types and its `doc`."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

# what is refused changes no result
__affects_results__ = False

# the option changes how vectors are encoded, or how a generator searches, and not what is learnt:
# `Annotated[int, at_encode]`
at_encode = "at encode"
# no value of a list is there twice: `Annotated[tuple[int, ...], unique_items]`
unique_items = "unique items"


@dataclass(frozen=True)
class Choices:
    """The value is one of the keys of a registry, or of a collection of names."""

    names: Collection[str]


@dataclass(frozen=True)
class Pattern:
    """The value is a text, or a path, that matches the regular expression.

    `expected` says so in words, and `many` says it of several values.
    """

    regex: str
    expected: str
    many: str = ""


@dataclass(frozen=True)
class KeysOf:
    """The value is a map whose keys are the options that the dataclass `kind` declares."""

    kind: type


@dataclass(frozen=True)
class Worded:
    """What is expected, in words that replace those that follow from the types."""

    text: str


# the path of a file in the configuration, or its address; Snakemake would take braces for a wildcard
WITHOUT_BRACES = Pattern("^[^{}]+$", "a path without braces", "paths without braces")
FilePath = Annotated[str | Path, WITHOUT_BRACES]
