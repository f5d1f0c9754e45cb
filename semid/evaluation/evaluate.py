"""From queries to the rows of the table: what each tokenizer retrieves, and the controls beside it."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch

from semid.errors import InputError
from semid.evaluation.bootstrap import bootstrap_interval
from semid.evaluation.metrics import MAX_RANK, METRICS, expected_metric
from semid.evaluation.queries import QUERIES, SPLITS, Queries, query_vectors
from semid.naming import TokenizerName
from semid.progress import Progress
from semid.retrieval.candidates import PAIR_BUDGET, applies, candidate_batches
from semid.retrieval.dense import PairScorer, Vectors, representatives, top_items
from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.ragged import Ragged, distinct_pairs, split_by_budget

RERANKS = ("exact", "decoded")
QUERY_BLOCK = 1 << 12
FETCH_SLACK = 32
INTERVALS = ("recall@10", "ndcg@10")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluationSettings:
    """What is asked and how it is ranked.

    `decay` and `history` (items) apply to `query="decay"`; `min_candidates` to the strategy `prefix`. `rerank`:
    `exact` scores by item vectors, `decoded` by vectors decoded from the codes. Raises InputError for a wrong value.
    """

    split: str = "test"
    query: str = "last"
    decay: float = 0.7
    history: int = 10
    max_users: int = 0
    candidates: tuple[str, ...] = ("exact", "hamming1", "prefix")
    rerank: tuple[str, ...] = ("exact",)
    min_candidates: int = 100
    seed: int = 0
    resamples: int = 1000

    def __post_init__(self) -> None:
        for name, value, allowed in (("split", self.split, SPLITS[1:]), ("query", self.query, QUERIES)):
            if value not in allowed:
                raise InputError(f"evaluation: {name} is {value!r}, expected one of {', '.join(allowed)}")
        for name in self.rerank:
            if name not in RERANKS:
                raise InputError(f"evaluation: rerank is {name!r}, expected one of {', '.join(RERANKS)}")
        for name in self.candidates:
            applies(name, num_levels=1)
        for name, number in (("history", self.history), ("resamples", self.resamples)):
            if number < 1:
                raise InputError(f"evaluation: {name} is {number}, expected 1 or more")
        if not 0 < self.decay <= 1:
            raise InputError(f"evaluation: decay is {self.decay}, expected more than 0 and at most 1")

    @property
    def query_name(self) -> str:
        """As the table names it: `last`, `mean` or, with its two numbers, `decay0.7x10`."""
        return f"decay{self.decay:g}x{self.history}" if self.query == "decay" else self.query


class SearchEngine(Protocol):
    """Fetches ids for the whole catalogue: a FaissIndex, for example."""

    @property
    def shape(self) -> tuple[int, int]:
        """(items, dim)."""

    def search(self, queries: torch.Tensor, k: int) -> np.ndarray:
        """int64 [queries, k]: item indices, best first, -1 where there are fewer."""


@dataclass(eq=False)
class Ranks:
    """Where each query's target stands among its unseen candidates, and what it cost.

    greater, equal, found: as in :func:`semid.evaluation.metrics.expected_metric`; size: int64, unseen candidates.
    """

    num_queries: int
    seconds: float = 0.0
    greater: np.ndarray = field(init=False)
    equal: np.ndarray = field(init=False)
    found: np.ndarray = field(init=False)
    size: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.greater, self.equal, self.size = np.zeros((3, self.num_queries), np.int64)
        self.found = np.zeros(self.num_queries, bool)


def evaluate_tokenizer(
    dataset: str,
    name: TokenizerName,
    queries: Queries,
    index: InvertedIndex,
    vectors: Vectors,
    settings: EvaluationSettings,
    decoded: Vectors | None = None,
    normalize: bool = False,
    note: str = "",
) -> list[dict[str, str | int | float]]:
    """Rows of the table for one tokenizer: a row for each candidate strategy and rerank.

    queries: of :func:`build_queries`; index: of all items' codes; vectors: float16 or float32 [items, dim];
    decoded: float [buckets, dim], what the tokenizer decodes `index.codes` to, for `rerank` `decoded`. `normalize`
    scores by unit vectors. Raises InputError when the inputs are not of one catalogue or no query is left.
    """
    _check(dataset, queries, vectors)
    if index.num_items != vectors.shape[0]:
        raise InputError(
            f"{name.name} of {dataset} has codes of {index.num_items:,} items, but there are {vectors.shape[0]:,} "
            "embeddings: encode and index the items again"
        )
    strategies = [strategy for strategy in settings.candidates if applies(strategy, index.num_levels)]
    for strategy in settings.candidates:
        if strategy not in strategies:
            log.info("%s: candidates %s are left out for codes of one level", name.name, strategy)
    scorers: dict[str, PairScorer] = {}
    if "exact" in settings.rerank:
        scorers["exact"] = PairScorer(vectors, representatives(vectors), normalize)
    if "decoded" in settings.rerank:
        if decoded is None or decoded.shape != (index.num_buckets, vectors.shape[1]):
            raise InputError(f"{name.name}: rerank decoded needs the decoded vector of every code of the index")
        scorers["decoded"] = PairScorer(decoded, representatives(decoded)[index.bucket_of_item], normalize)

    ranks = {strategy: {rerank: Ranks(len(queries)) for rerank in scorers} for strategy in strategies}
    with Progress(len(queries), f"evaluate {name.name}", "queries") as progress:
        for block in _query_blocks(queries.stop - queries.start):
            history = queries.history(block)
            query = _query_vectors(vectors, history, settings, normalize)
            for strategy in strategies:
                _rank_candidates(
                    index,
                    history,
                    queries.target[block],
                    query,
                    strategy,
                    settings.min_candidates,
                    scorers,
                    ranks[strategy],
                    block.start,
                )
            progress.update(len(history))
    own: dict[str, str | int | float] = {
        "tokenizer": name.name,
        "method": name.method,
        "variant": name.variant,
        "num_levels": name.num_levels,
        "codebook_size": name.codebook_size,
        "bits": name.bits,
        "entropy_bits": index.entropy_bits(),
        "seed": name.seed,
    }
    return [
        {**own, **_row(dataset, queries, settings, found, note), "candidates": strategy, "rerank": rerank}
        for strategy in strategies
        for rerank, found in ranks[strategy].items()
    ]


def evaluate_controls(
    dataset: str,
    queries: Queries,
    vectors: Vectors,
    training_counts: np.ndarray,
    settings: EvaluationSettings,
    engine: SearchEngine | None = None,
    normalize: bool = False,
    note: str = "",
) -> list[dict[str, str | int | float]]:
    """Rows that depend on the dataset alone: `all` (the whole catalogue, the ceiling) and `popularity`.

    training_counts: integers [items]. `engine` fetches for `all` (rerank `faiss`); without one the exact search does
    (rerank `exact`), with the same numbers. Raises InputError as :func:`evaluate_tokenizer`.
    """
    _check(dataset, queries, vectors)
    if engine is not None and engine.shape != tuple(vectors.shape):
        raise InputError(
            f"the faiss index of {dataset} holds {engine.shape[0]:,} items of width {engine.shape[1]}, the embeddings "
            f"{vectors.shape[0]:,} of width {vectors.shape[1]}: build the index again"
        )
    dense = rank_in_catalogue(queries, vectors, settings, engine, normalize)
    popular = rank_by_popularity(queries, training_counts)
    rows = []
    for candidates, rerank, query, ranks in (
        ("all", "exact" if engine is None else "faiss", settings.query_name, dense),
        ("popularity", "counts", "", popular),
    ):
        row = _row(dataset, queries, settings, ranks, note)
        rows.append({**row, "tokenizer": "controls", "candidates": candidates, "rerank": rerank, "query": query})
    return rows


def rank_in_catalogue(
    queries: Queries,
    vectors: Vectors,
    settings: EvaluationSettings,
    engine: SearchEngine | None = None,
    normalize: bool = False,
) -> Ranks:
    """Rank each target among all unseen items; exact wherever the target is among the first 100.

    The engine fetches ids only. Fetched ids become groups of identical vectors, scored once and counted with all
    their unseen members, so that a fetch which cuts a group of duplicates changes nothing.
    """
    scorer = PairScorer(vectors, representatives(vectors), normalize)
    n = vectors.shape[0]
    group_sizes = np.bincount(scorer.group_of_item, minlength=n)
    ranks = Ranks(len(queries))
    # histories of about one length together: the longest of a block says how much to fetch
    order = np.argsort(queries.stop - queries.start, kind="stable")
    with Progress(len(queries), "evaluate all", "queries") as progress:
        for block in _query_blocks((queries.stop - queries.start)[order]):
            rows = order[block]
            history, target = queries.history(rows), queries.target[rows]
            query = _query_vectors(vectors, history, settings, normalize)
            started = time.perf_counter()
            seen_owner, seen_item = distinct_pairs(history.owner, history.values, n)
            seen_count = np.bincount(seen_owner, minlength=len(rows))
            fetch = min(n, MAX_RANK + int(seen_count.max()) + FETCH_SLACK)
            found = engine.search(query, fetch) if engine else top_items(vectors, query, fetch, normalize)

            owner, items = np.repeat(np.arange(len(rows)), (found >= 0).sum(axis=1)), found[found >= 0]
            group, target_group = scorer.group_of_item[items], scorer.group_of_item[target]
            fetched = np.bincount(owner[group == target_group[owner]], minlength=len(rows)) > 0
            owner, group = distinct_pairs(np.append(owner, np.arange(len(rows))), np.append(group, target_group), n)
            scores = scorer.score_groups(query, owner, group)
            keys = owner * n + group
            target_scores = scores[np.searchsorted(keys, np.arange(len(rows)) * n + target_group)]
            seen_keys = seen_owner * n + scorer.group_of_item[seen_item]
            place = np.minimum(np.searchsorted(keys, seen_keys), len(keys) - 1)
            seen_members = np.bincount(place[keys[place] == seen_keys], minlength=len(keys))
            greater, equal = _count(owner, scores, target_scores, group_sizes[group] - seen_members)
            if fetch < n:
                cut = _cut_ties(owner, scores, target_scores) & (greater < MAX_RANK)
                seen = queries.history(rows[cut])
                of_cut, item = distinct_pairs(seen.owner, seen.values, n)
                greater[cut], equal[cut] = _count_all(
                    scorer, group_sizes, query[torch.from_numpy(cut)], target_scores[cut], of_cut, item
                )
                # what the engine did not fetch is not among the first
                greater[~(fetched | cut)] = np.maximum(greater[~(fetched | cut)], MAX_RANK)
            ranks.greater[rows], ranks.equal[rows] = greater, equal
            ranks.found[rows] = True
            ranks.size[rows] = n - seen_count
            ranks.seconds += time.perf_counter() - started
            progress.update(len(rows))
    return ranks


def rank_by_popularity(queries: Queries, training_counts: np.ndarray) -> Ranks:
    """Rank each target among all unseen items by how often they occur in training."""
    ranks = Ranks(len(queries))
    ascending = np.sort(training_counts)
    for block in _query_blocks(queries.stop - queries.start):
        started = time.perf_counter()
        history, target_counts = queries.history(block), training_counts[queries.target[block]]
        owner, item = distinct_pairs(history.owner, history.values, len(training_counts))
        below_or_equal = np.searchsorted(ascending, target_counts, side="right")
        seen_greater, seen_equal = _count(owner, training_counts[item], target_counts, np.ones(len(owner)))
        ranks.greater[block] = len(ascending) - below_or_equal - seen_greater
        ranks.equal[block] = below_or_equal - np.searchsorted(ascending, target_counts) - seen_equal
        ranks.size[block] = len(ascending) - np.bincount(owner, minlength=len(history))
        ranks.found[block] = True
        ranks.seconds += time.perf_counter() - started
    return ranks


def _rank_candidates(
    index: InvertedIndex,
    history: Ragged,
    target: np.ndarray,
    query: torch.Tensor,
    strategy: str,
    min_candidates: int,
    scorers: dict[str, PairScorer],
    ranks: dict[str, Ranks],
    first: int,
) -> None:
    """Fill `ranks` (by rerank) for the queries of `history`, the first of which is query number `first`."""
    started = time.perf_counter()
    for users, found in candidate_batches(index, history, strategy, min_candidates):
        rows = slice(first + users.start, first + users.stop)
        owner, own_query, own_target = found.owner, query[users], target[users]
        searched = time.perf_counter() - started
        is_target = np.bincount(owner[found.values == own_target[owner]], minlength=len(found)) > 0
        for rerank, scorer in scorers.items():
            started = time.perf_counter()
            scores = scorer.score_pairs(own_query, owner, found.values)
            # a pair's score does not depend on its batch: this is the target's score among the candidates, too
            target_scores = scorer.score_pairs(own_query, np.arange(len(found)), own_target)
            filled = ranks[rerank]
            filled.greater[rows], filled.equal[rows] = _count(owner, scores, target_scores, np.ones(len(owner)))
            filled.found[rows] = is_target
            filled.size[rows] = found.lengths
            filled.seconds += searched + time.perf_counter() - started
        started = time.perf_counter()


def _count(
    owner: np.ndarray, scores: np.ndarray, target_scores: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """int64 [queries] twice: the weight of each query's scores above its target's, and of those equal to it."""
    threshold = target_scores[owner]
    above, like = (
        np.bincount(owner, weights=weights * compared, minlength=len(target_scores)).astype(np.int64)
        for compared in (scores > threshold, scores == threshold)
    )
    return above, like


def _cut_ties(owner: np.ndarray, scores: np.ndarray, target_scores: np.ndarray) -> np.ndarray:
    """bool [queries]: the target is at the fetch's lowest score together with different vectors, more of which may
    have been cut off (a query that is the zero vector ties the whole catalogue)."""
    lowest = np.full(len(target_scores), np.inf, np.float32)
    np.minimum.at(lowest, owner, scores)
    groups_like_target = np.bincount(owner[scores == target_scores[owner]], minlength=len(target_scores))
    return (target_scores == lowest) & (groups_like_target > 1)


def _count_all(
    scorer: PairScorer,
    group_sizes: np.ndarray,
    query: torch.Tensor,
    target_scores: np.ndarray,
    seen_owner: np.ndarray,
    seen_item: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`_count`, over every unseen item of the catalogue."""
    greater, equal = np.zeros((2, len(query)), np.int64)
    groups = np.flatnonzero(group_sizes)
    for block in split_by_budget(np.full(len(groups), len(query)), PAIR_BUDGET):
        owner = np.repeat(np.arange(len(query)), block.stop - block.start)
        repeated = np.tile(groups[block], len(query))
        scores = scorer.score_groups(query, owner, repeated)
        counts = _count(owner, scores, target_scores, group_sizes[repeated])
        greater, equal = greater + counts[0], equal + counts[1]
    scores = scorer.score_pairs(query, seen_owner, seen_item)
    counts = _count(seen_owner, scores, target_scores, np.ones(len(scores)))
    return greater - counts[0], equal - counts[1]


def _check(dataset: str, queries: Queries, vectors: Vectors) -> None:
    if not len(queries):
        raise InputError(
            f"{dataset}: no query is left to evaluate ({queries.cold_start_skipped} without history or known target, "
            f"{queries.seen_skipped} with a target seen before): check the split"
        )
    largest = max(int(queries.target.max()), int(queries.items.max()))
    if largest >= vectors.shape[0]:
        raise InputError(
            f"{dataset}: an interaction names item_index {largest}, but there are {vectors.shape[0]:,} embeddings: "
            "embed the items again"
        )


def _query_blocks(history_lengths: np.ndarray) -> Iterator[slice]:
    """Consecutive queries: at most 4,096, and a million history items."""
    return split_by_budget(history_lengths + PAIR_BUDGET // QUERY_BLOCK, PAIR_BUDGET)


def _query_vectors(vectors: Vectors, history: Ragged, settings: EvaluationSettings, normalize: bool) -> torch.Tensor:
    return query_vectors(vectors, history, settings.query, settings.decay, settings.history, normalize)


def _row(
    dataset: str, queries: Queries, settings: EvaluationSettings, ranks: Ranks, note: str
) -> dict[str, str | int | float]:
    values = {metric: expected_metric(metric, ranks.greater, ranks.equal, ranks.found) for metric in METRICS}
    row: dict[str, str | int | float] = {
        "dataset": dataset,
        "split": settings.split,
        "users": queries.num_users,
        "query": settings.query_name,
        "cold_start_skipped": queries.cold_start_skipped,
        "avg_cand_size": float(ranks.size.mean()),
        "cand_recall": float(ranks.found.mean()),
        **{metric: float(value.mean()) for metric, value in values.items()},
        "query_us": 1e6 * ranks.seconds / len(queries),
        "queries": len(queries),
        "seen_skipped": queries.seen_skipped,
        "untied_users": len(np.unique(queries.user[queries.untied])),
        "note": note,
    }
    for metric in INTERVALS:
        interval = bootstrap_interval(values[metric], queries.user, settings.resamples, settings.seed)
        row[f"{metric}_low"], row[f"{metric}_high"] = interval
        if queries.untied.any():
            row[f"{metric}_untied"] = float(values[metric][queries.untied].mean())
    return row
