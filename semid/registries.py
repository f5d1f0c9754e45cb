"""Registries name objects by import strings, so that reading a registry imports none of the objects."""

from importlib import import_module
from typing import Any


def load(reference: str) -> Any:
    """The object that an import string `package.module:name` names."""
    module, name = reference.split(":")
    return getattr(import_module(module), name)
