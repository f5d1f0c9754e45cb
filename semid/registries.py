"""Registries name objects by import strings, so that reading a registry imports none of the objects."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any


def load(reference: str) -> Any:
    """The object that an import string `package.module:name` names."""
    module, name = reference.split(":")
    return getattr(import_module(module), name)


def load_public(package: str, references: Mapping[str, str], name: str) -> Any:
    """The public `name` of a package that imports its names when they are first asked for.

    `references` are its names with their import strings. Raises `AttributeError` for another name, as Python does.
    """
    if name not in references:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    return load(references[name])
