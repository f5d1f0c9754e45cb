"""From queries to the rows of the table: what each tokenizer retrieves, and the controls beside it."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch

from semid.errors import InputError
from semid.evaluation.bootstrap import bootstrap_intervals
from semid.evaluation.metrics import MAX_RANK, METRICS, expected_metric
from semid.evaluation.queries import QUERIES, SPLITS, Queries, query_vectors
from semid.evaluation.ranks import Ranks, Strategy, code_columns, code_ranks
from semid.naming import TokenizerName
from semid.progress import Progress
from semid.retrieval.candidates import PAIR_BUDGET, applies, candidate_batches
from semid.retrieval.dense import PairScorer, Vectors, float_rows, top_items
from semid.retrieval.identical import first_of_identical
from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.probe import CodeTree, probe_batches
from semid.retrieval.ragged import Ragged, distinct_pairs, split_by_budget

RERANKS = ("exact", "decoded")
QUERY_BLOCK = 1 << 12
FETCH_SLACK = 32
PROBE = "probe"
CONTROLS = "controls"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluationSettings:
    """What is asked and how it is ranked.

    `decay` and `history` (items) apply to `query="decay"`; `min_candidates` to the strategy `prefix`, `budgets` (most
    candidates a query, each a row) to `probe`. `rerank`: `exact` scores by item vectors, `decoded` by vectors decoded
    from the codes. Raises InputError for a wrong value.
    """

    split: str = "test"
    query: str = "last"
    decay: float = 0.7
    history: int = 10
    max_users: int = 0
    candidates: tuple[str, ...] = ("exact", "hamming1", "prefix", PROBE)
    rerank: tuple[str, ...] = ("exact",)
    min_candidates: int = 100
    budgets: tuple[int, ...] = (10, 50, 100, 500, 1000)
    seed: int = 0
    resamples: int = 1000
    permutations: int = 10_000

    def __post_init__(self) -> None:
        for name, value, allowed in (("split", self.split, SPLITS[1:]), ("query", self.query, QUERIES)):
            if value not in allowed:
                raise InputError(f"evaluation: {name} is {value!r}, expected one of {', '.join(allowed)}")
        for name in self.rerank:
            if name not in RERANKS:
                raise InputError(f"evaluation: rerank is {name!r}, expected one of {', '.join(RERANKS)}")
        for name in self.candidates:
            if name != PROBE:
                applies(name, num_levels=1)
        if PROBE in self.candidates and (not self.budgets or min(self.budgets) < 1):
            raise InputError(
                f"evaluation: budgets are {list(self.budgets)}, expected one or more numbers of candidates"
            )
        for name, number in (
            ("history", self.history),
            ("resamples", self.resamples),
            ("permutations", self.permutations),
        ):
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


Row = dict[str, str | int | float]


@dataclass(frozen=True, eq=False)
class CodeSpace:
    """What `probe` needs of a tokenizer: `tree`, the codes that occur; `latent`, from vectors float32 [n, dim] to
    [n, d'] in the space of its codebooks."""

    tree: CodeTree
    latent: Callable[[torch.Tensor], torch.Tensor]


def evaluate_tokenizer(
    dataset: str,
    name: TokenizerName,
    queries: Queries,
    index: InvertedIndex,
    vectors: Vectors,
    representatives: np.ndarray,
    settings: EvaluationSettings,
    space: CodeSpace | None = None,
    decoded: Vectors | None = None,
    normalize: bool = False,
    note: str = "",
) -> tuple[list[Row], dict[Strategy, Ranks]]:
    """Rows of the table for one tokenizer, one for each candidate strategy, budget and rerank, and the ranks behind.

    queries: of :func:`build_queries`; index: of all items' codes; vectors: float16 or float32 [items, dim];
    representatives: integers [items], of :func:`first_of_identical`; space: for the strategy `probe`;
    decoded: float [buckets, dim], what the tokenizer decodes `index.codes` to, for `rerank` `decoded`. `normalize`
    scores by unit vectors. Raises InputError when the inputs are not of one catalogue or no query is left.
    """
    _check(dataset, queries, vectors)
    if index.num_items != vectors.shape[0]:
        raise InputError(
            f"{name.name} of {dataset} has codes of {index.num_items:,} items, but there are {vectors.shape[0]:,} "
            "embeddings: encode and index the items again"
        )
    strategies = [each for each in settings.candidates if each == PROBE or applies(each, index.num_levels)]
    for strategy in settings.candidates:
        if strategy not in strategies:
            log.info("%s: candidates %s are left out for codes of one level", name.name, strategy)
    scorers: dict[str, PairScorer] = {}
    if "exact" in settings.rerank:
        scorers["exact"] = PairScorer(vectors, representatives, normalize)
    if "decoded" in settings.rerank:
        if decoded is None or decoded.shape != (index.num_buckets, vectors.shape[1]):
            raise InputError(f"{name.name}: rerank decoded needs the decoded vector of every code of the index")
        scorers["decoded"] = PairScorer(decoded, first_of_identical(decoded)[index.bucket_of_item], normalize)

    budgets = {strategy: sorted(settings.budgets) if strategy == PROBE else [0] for strategy in strategies}
    ranks = {
        Strategy(strategy, budget, rerank): RankedTwice(Ranks(len(queries)), Ranks(len(queries)))
        for strategy in strategies
        for rerank in scorers
        for budget in budgets[strategy]
    }
    with Progress(len(queries), f"evaluate {name.name}", "queries") as progress:
        for block in _query_blocks(queries.stop - queries.start):
            history = queries.history(block)
            query = _query_vectors(vectors, history, settings, normalize)
            for strategy in strategies:
                if strategy == PROBE:
                    if space is None:
                        raise InputError(f"{name.name}: candidates probe needs the codebooks of the tokenizer")
                    # distances need the query as long as the items are
                    last = float_rows(vectors, history.values[history.offsets[1:] - 1]).norm(dim=1, keepdim=True)
                    batches = probe_batches(
                        index, space.tree, space.latent(query * last), history, max(settings.budgets)
                    )
                else:
                    batches = candidate_batches(index, history, strategy, settings.min_candidates)
                own = {key: found for key, found in ranks.items() if key.candidates == strategy}
                _rank_candidates(index, batches, queries.target[block], query, scorers, own, block.start)
            progress.update(len(history))
    own_columns: Row = {
        "tokenizer": name.name,
        "method": name.method,
        "variant": name.variant,
        "num_levels": name.num_levels,
        "codebook_size": name.codebook_size,
        "bits": name.bits,
        "entropy_bits": index.entropy_bits(),
        "seed": name.seed,
    }
    rows = [
        {
            **own_columns,
            **_row(dataset, queries, settings, found.items, note),
            **code_columns(found.items, found.codes),
            **key._asdict(),
        }
        for key, found in ranks.items()
    ]
    return rows, {key: found.items for key, found in ranks.items()}


def evaluate_controls(
    dataset: str,
    queries: Queries,
    vectors: Vectors,
    representatives: np.ndarray,
    training_counts: np.ndarray,
    settings: EvaluationSettings,
    engine: SearchEngine | None = None,
    normalize: bool = False,
    note: str = "",
) -> tuple[list[Row], dict[Strategy, Ranks]]:
    """Rows that depend on the dataset alone: `all` (the whole catalogue, the ceiling) and `popularity`.

    representatives, training_counts: integers [items]. `engine` fetches for `all` (rerank `faiss`); without one the
    exact search does (rerank `exact`), with the same numbers. Raises InputError as :func:`evaluate_tokenizer`.
    """
    _check(dataset, queries, vectors)
    if engine is not None and engine.shape != tuple(vectors.shape):
        raise InputError(
            f"the faiss index of {dataset} holds {engine.shape[0]:,} items of width {engine.shape[1]}, the embeddings "
            f"{vectors.shape[0]:,} of width {vectors.shape[1]}: build the index again"
        )
    dense = rank_in_catalogue(queries, vectors, representatives, settings, engine, normalize)
    popular = rank_by_popularity(queries, training_counts)
    ranks = {
        Strategy("all", 0, "exact" if engine is None else "faiss"): dense,
        Strategy("popularity", 0, "counts"): popular,
    }
    rows = []
    for strategy, found in ranks.items():
        row = {**_row(dataset, queries, settings, found, note), **strategy._asdict(), "tokenizer": CONTROLS}
        rows.append(row if strategy.candidates == "all" else row | {"query": ""})
    return rows, ranks


def rank_in_catalogue(
    queries: Queries,
    vectors: Vectors,
    representatives: np.ndarray,
    settings: EvaluationSettings,
    engine: SearchEngine | None = None,
    normalize: bool = False,
) -> Ranks:
    """Rank each target among all unseen items; exact wherever the target is among the first 100.

    The engine fetches ids only. Fetched ids become groups of identical vectors, scored once and counted with all
    their unseen members, so that a fetch which cuts a group of duplicates changes nothing.
    """
    scorer = PairScorer(vectors, representatives, normalize)
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


class RankedTwice(NamedTuple):
    """The same queries ranked among items and among distinct codes."""

    items: Ranks
    codes: Ranks


def _rank_candidates(
    index: InvertedIndex,
    batches: Iterator[tuple[slice, Ragged]],
    target: np.ndarray,
    query: torch.Tensor,
    scorers: dict[str, PairScorer],
    ranks: dict[Strategy, RankedTwice],
    first: int,
) -> None:
    """Fill `ranks` from batches of candidates of the queries of a block, the first of which is query number `first`.

    Candidates of a query that has a budget come nearest first: what lies beyond the budget is left out.
    """
    started = time.perf_counter()
    for users, found in batches:
        searched = time.perf_counter() - started
        rows = slice(first + users.start, first + users.stop)
        own_query, own_target = query[users], target[users]
        target_bucket = index.bucket_of_item[own_target]
        place = np.arange(len(found.values)) - np.repeat(found.offsets[:-1], found.lengths)
        for rerank, scorer in scorers.items():
            started = time.perf_counter()
            all_scores = scorer.score_pairs(own_query, found.owner, found.values)
            # a pair's score does not depend on its batch: this is the target's score among the candidates, too
            target_scores = scorer.score_pairs(own_query, np.arange(len(found)), own_target)
            scored = (time.perf_counter() - started) / max(len(found.values), 1)
            for strategy, filled in ranks.items():
                if strategy.rerank != rerank:
                    continue
                started = time.perf_counter()
                kept = place < strategy.budget if strategy.budget else slice(None)
                owner, values, scores = found.owner[kept], found.values[kept], all_scores[kept]
                ranked = filled.items
                ranked.greater[rows], ranked.equal[rows] = _count(owner, scores, target_scores, np.ones(len(owner)))
                ranked.found[rows] = np.bincount(owner[values == own_target[owner]], minlength=len(found)) > 0
                ranked.size[rows] = np.bincount(owner, minlength=len(found))
                # scores are made once for all budgets: each is charged for its own
                ranked.seconds += searched + scored * len(owner) + time.perf_counter() - started
                codes = filled.codes
                codes.greater[rows], codes.equal[rows], codes.found[rows] = code_ranks(
                    owner, scores, index.bucket_of_item[values], target_bucket
                )
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


def _row(dataset: str, queries: Queries, settings: EvaluationSettings, ranks: Ranks, note: str) -> Row:
    values = np.column_stack([expected_metric(name, ranks.greater, ranks.equal, ranks.found) for name in METRICS])
    low, high = bootstrap_intervals(values, queries.user, settings.resamples, settings.seed)
    means = values.mean(axis=0)
    row: Row = {
        "dataset": dataset,
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
        "note": note,
    }
    untied = values[queries.untied].mean(axis=0) if queries.untied.any() else None
    for column, metric in enumerate(METRICS):
        row[metric] = float(means[column])
        row[f"{metric}_low"], row[f"{metric}_high"] = float(low[column]), float(high[column])
        if untied is not None and metric in ("recall@10", "ndcg@10"):
            row[f"{metric}_untied"] = float(untied[column])
    return row
