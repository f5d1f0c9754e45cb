"""Codes and vectors go in; candidate items, and scores that do not depend on the engine, come out.

The names below are imported when they are first asked for: the registry of candidate strategies, which the settings and
the rules read, needs neither numpy nor torch.
"""

from typing import Any

from semid.registries import load_public

_PUBLIC = {
    "STRATEGIES": "semid.retrieval.strategies.registry:STRATEGIES",
    "CodeSpace": "semid.retrieval.tree:CodeSpace",
    "CodeTree": "semid.retrieval.tree:CodeTree",
    "IndexedCodes": "semid.retrieval.strategies.candidates:IndexedCodes",
    "InvertedIndex": "semid.retrieval.inverted:InvertedIndex",
    "PairScorer": "semid.retrieval.dense:PairScorer",
    "QueryBlock": "semid.retrieval.strategies.candidates:QueryBlock",
    "Ragged": "semid.retrieval.ragged:Ragged",
    "top_items": "semid.retrieval.dense:top_items",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    return load_public(__name__, _PUBLIC, name)
