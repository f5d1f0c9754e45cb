"""Codes and vectors go in; candidate items, and scores that do not depend on the engine, come out."""

from semid.retrieval.candidates import STRATEGIES, applies, candidate_batches, candidates
from semid.retrieval.dense import PairScorer, representatives, top_items
from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.ragged import Ragged

__all__ = [
    "STRATEGIES",
    "InvertedIndex",
    "PairScorer",
    "Ragged",
    "applies",
    "candidate_batches",
    "candidates",
    "representatives",
    "top_items",
]
