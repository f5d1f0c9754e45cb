"""A folder with a tokenizer and its IDs comes in; IDs of items, items of IDs, similar items and new IDs go out.

`semid.SemanticIDs` is the class of this package.
"""

from typing import Any

from semid.registries import load_public

_PUBLIC = {"SemanticIDs": "semid.bundle.bundle:SemanticIDs"}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    return load_public(__name__, _PUBLIC, name)
