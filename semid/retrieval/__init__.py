"""Codes and vectors go in; candidate items, and scores that do not depend on the engine, come out."""

from semid.retrieval.candidates import STRATEGIES, applies, candidate_batches, candidates
from semid.retrieval.dense import PairScorer, top_items
from semid.retrieval.identical import first_of_identical, read_first_of_identical, write_first_of_identical
from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.probe import CodeTree, probe_batches
from semid.retrieval.ragged import Ragged

__all__ = [
    "STRATEGIES",
    "CodeTree",
    "InvertedIndex",
    "PairScorer",
    "Ragged",
    "applies",
    "candidate_batches",
    "candidates",
    "first_of_identical",
    "probe_batches",
    "read_first_of_identical",
    "top_items",
    "write_first_of_identical",
]
