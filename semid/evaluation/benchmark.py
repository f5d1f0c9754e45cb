"""The benchmark of a dataset: one set of queries over one catalogue, against which everything is ranked."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from torch import Tensor

from semid.errors import InputError
from semid.evaluation.metrics import HEADLINE, LIST_METRICS, METRICS
from semid.evaluation.queries import Queries, build_queries, query_vectors
from semid.evaluation.settings import EvaluationSettings
from semid.evaluation.target_ranks import Ranks
from semid.interactions import Interactions
from semid.retrieval.dense import PairScorer, Vectors, float_rows
from semid.retrieval.ragged import Ragged, split_by_budget
from semid.retrieval.strategies.candidates import PAIR_BUDGET, QueryBlock
from semid.statistics.bootstrap import bootstrap_intervals

QUERY_BLOCK = 1 << 12

Row = dict[str, str | int | float]


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The items that are ranked.

    vectors: float16 or float32 [items, dim]; representatives: integers [items], as `first_of_identical` gives them;
    training_counts: integers [items], interactions in the training split; normalize: score by unit vectors.
    """

    vectors: Vectors
    representatives: np.ndarray
    training_counts: np.ndarray
    normalize: bool = False

    @property
    def num_items(self) -> int:
        """Number of items in the catalogue."""
        return self.vectors.shape[0]

    def scorer(self) -> PairScorer:
        """Return the scorer of items by their own vectors."""
        return PairScorer(self.vectors, self.representatives, self.normalize)


@dataclass(frozen=True, eq=False)
class Block:
    """Queries that are ranked at once.

    rows: their places among the benchmark's queries; history: item indices in time order, a list a query; target:
    int64 [queries]; vectors: float32 [queries, dim], of unit length, which took so many seconds to make.
    """

    rows: slice | np.ndarray
    history: Ragged
    target: np.ndarray
    vectors: Tensor
    seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True, eq=False)
class Benchmark:
    """Queries over a catalogue, and how they are asked and counted.

    queries: from :func:`semid.evaluation.queries.build_queries`; note: goes into every row of the table. Raises
    InputError when no query is left, or when a query names an item that the catalogue does not have.
    """

    dataset: str
    queries: Queries
    items: Catalogue
    settings: EvaluationSettings
    note: str = ""

    def __post_init__(self) -> None:
        queries = self.queries
        if not len(queries):
            raise InputError(
                f"{self.dataset}: no query is left to evaluate ({queries.cold_start_skipped} without history or known "
                f"target, {queries.seen_skipped} with a target seen before): check the split"
            )
        largest = max(int(queries.target.max()), int(queries.items.max()), len(self.items.training_counts) - 1)
        if largest >= self.items.num_items:
            raise InputError(
                f"{self.dataset}: an interaction names item_index {largest}, but there are {self.items.num_items:,} "
                "embeddings: embed the items again"
            )

    def of_few_users(self, interactions: Interactions, most: int) -> Self:
        """Return the same benchmark for a sample of at most `most` users, drawn with `settings.seed`."""
        users = min(self.settings.max_users or most, most)
        queries = build_queries(interactions, self.settings.split, users, self.settings.seed)
        return replace(self, queries=queries)

    def blocks(self, order: np.ndarray | None = None) -> Iterator[Block]:
        """Yield all queries in blocks, in their order or in the order of `order`, integers [queries]."""
        lengths = self.queries.stop - self.queries.start
        for rows in query_blocks(lengths if order is None else lengths[order]):
            chosen = rows if order is None else order[rows]
            history = self.queries.history(chosen)
            started = time.perf_counter()
            vectors = query_vectors(self.items.vectors, history, self.settings, self.items.normalize)
            seconds = time.perf_counter() - started
            yield Block(chosen, history, self.queries.target[chosen], vectors, seconds)

    def query_block(self, block: Block) -> QueryBlock:
        """Return a block in the form that candidate strategies take.

        Its vectors have unit length; scaled to the length of the last item's vector, distances to codes have a meaning.
        """
        last = block.history.values[block.history.offsets[1:] - 1]
        return QueryBlock(
            block.history,
            lambda: block.vectors * float_rows(self.items.vectors, last).norm(dim=1, keepdim=True),
        )

    def empty_ranks(self) -> Ranks:
        """Return ranks to fill, whose lists are as long as the metrics need."""
        return Ranks(len(self.queries), max((metric.depth for metric in LIST_METRICS.values()), default=0))

    def outcome_row(self, ranks: Ranks) -> Row:
        """Return the columns that follow from ranks and benchmark; the caller adds those that say what was ranked."""
        queries, settings = self.queries, self.settings
        values = np.column_stack([ranks.metric(name) for name in METRICS])
        low, high = bootstrap_intervals(values, queries.user, settings.resamples, settings.seed)
        means = values.mean(axis=0)
        row: Row = {
            "dataset": self.dataset,
            "split": settings.split,
            "users": queries.num_users,
            "query": settings.query_name,
            "cold_start_skipped": queries.cold_start_skipped,
            "avg_cand_size": float(ranks.size.mean()),
            "cand_recall": float(ranks.found.mean()),
            "query_us": 1e6 * ranks.seconds / len(queries),
            "queries": len(queries),
            "seen_skipped": queries.seen_skipped,
            "untied_users": len(np.unique(queries.user[queries.untied])),
            "note": self.note,
            "no_history_skipped": queries.no_history_skipped,
            "unknown_target_skipped": queries.unknown_target_skipped,
        }
        untied = values[queries.untied].mean(axis=0) if queries.untied.any() else None
        for column, metric in enumerate(METRICS):
            row[metric] = float(means[column])
            row[f"{metric}_low"], row[f"{metric}_high"] = float(low[column]), float(high[column])
            if untied is not None and metric in HEADLINE:
                row[f"{metric}_untied"] = float(untied[column])
        counts = self.items.training_counts
        for name, listed in LIST_METRICS.items():
            row[name] = float(listed.value(ranks.lists[:, : listed.depth], self.items.num_items, counts))
        return row


def query_blocks(history_lengths: np.ndarray) -> Iterator[slice]:
    """Yield slices of consecutive queries, with at most 4,096 queries and a million history items each."""
    return split_by_budget(history_lengths + PAIR_BUDGET // QUERY_BLOCK, PAIR_BUDGET)
