"""Semantic IDs for generative recommenders: from a catalogue's items to discrete codes, and how far to trust them.

`SemanticIDs`, a catalogue's IDs with the tokenizer that gave them, is imported when it is first asked for.
"""

from typing import Any

from semid.registries import load_public

__version__ = "0.1.0"

_PUBLIC = {"SemanticIDs": "semid.bundle.bundle:SemanticIDs"}


def __getattr__(name: str) -> Any:
    return load_public(__name__, _PUBLIC, name)
