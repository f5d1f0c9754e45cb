"""From queries to the rows of the table: what each tokenizer retrieves, and random codes in its place."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from semid.errors import InputError
from semid.evaluation.bootstrap import bootstrap_intervals
from semid.evaluation.metrics import METRICS, expected_metric
from semid.evaluation.queries import QUERIES, SPLITS, Queries, query_vectors
from semid.evaluation.ranks import RANDOM, Ranks, Strategy, code_columns, code_ranks
from semid.naming import TokenizerName
from semid.progress import Progress
from semid.retrieval.candidates import PAIR_BUDGET, applies, candidate_batches
from semid.retrieval.dense import PairScorer, Vectors, float_rows
from semid.retrieval.identical import first_of_identical
from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.probe import CodeTree, probe_batches
from semid.retrieval.ragged import Ragged, split_by_budget

RERANKS = ("exact", "decoded")
QUERY_BLOCK = 1 << 12
PROBE = "probe"
# a choice made on the validation split takes the place of this query
FIT = "fit"
# strategies that are tried with random codes
RANDOM_STRATEGIES = ("exact", "prefix", PROBE)
# of a seeded sample: what random codes find is known, and all users would double the time of an evaluation
RANDOM_USERS = 5000
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluationSettings:
    """What is asked and how it is ranked.

    `decay` and `history` (items) apply to `query="decay"`; `min_candidates` to the strategy `prefix`, `budgets` (most
    candidates a query, each a row) to `probe`. `rerank`: `exact` scores by item vectors, `decoded` by vectors decoded
    from the codes. `query="fit"` stands for what :func:`semid.evaluation.fit.fitted_settings` puts in its place. Raises
    InputError for a wrong value.
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
        for name, value, allowed in (("split", self.split, SPLITS[1:]), ("query", self.query, (*QUERIES, FIT))):
            if value not in allowed:
                raise InputError(f"evaluation: {name} is {value!r}, expected one of {', '.join(allowed)}")
        if self.query == FIT and self.split == "valid":
            raise InputError("evaluation: query fit is chosen on the split valid, so evaluate on another: split: test")
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
        for name in ("history", "resamples", "permutations"):
            if getattr(self, name) < 1:
                raise InputError(f"evaluation: {name} is {getattr(self, name)}, expected 1 or more")
        if not 0 < self.decay <= 1:
            raise InputError(f"evaluation: decay is {self.decay}, expected more than 0 and at most 1")

    @property
    def query_name(self) -> str:
        """As the table names it: `last`, `mean` or, with its two numbers, `decay0.7x10`."""
        return f"decay{self.decay:g}x{self.history}" if self.query == "decay" else self.query


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
    check_inputs(dataset, queries, vectors)
    if index.num_items != vectors.shape[0]:
        raise InputError(
            f"{name.name} of {dataset} has codes of {index.num_items:,} items, but there are {vectors.shape[0]:,} "
            "embeddings: encode and index the items again"
        )
    for strategy in settings.candidates:
        if strategy != PROBE and not applies(strategy, index.num_levels):
            log.info("%s: candidates %s are left out for codes of one level", name.name, strategy)
    scorers: dict[str, PairScorer] = {}
    if "exact" in settings.rerank:
        scorers["exact"] = PairScorer(vectors, representatives, normalize)
    if "decoded" in settings.rerank:
        if decoded is None or decoded.shape != (index.num_buckets, vectors.shape[1]):
            raise InputError(f"{name.name}: rerank decoded needs the decoded vector of every code of the index")
        scorers["decoded"] = PairScorer(decoded, first_of_identical(decoded)[index.bucket_of_item], normalize)

    ranks = rank_by_codes(name.name, queries, index, vectors, scorers, settings, space, normalize)
    rows = _tokenizer_rows(dataset, name, queries, index, settings, ranks, note)
    return rows, {key: found.items for key, found in ranks.items()}


def evaluate_random_codes(
    dataset: str,
    name: TokenizerName,
    queries: Queries,
    index: InvertedIndex,
    vectors: Vectors,
    representatives: np.ndarray,
    settings: EvaluationSettings,
    space: CodeSpace | None = None,
    normalize: bool = False,
    note: str = "",
) -> list[Row]:
    """Rows of the table for random codes with the bucket sizes of a tokenizer's: `random:exact` and so on.

    Arguments as of :func:`evaluate_tokenizer`; queries of RANDOM_USERS are enough. The items are dealt to the places of
    `index` anew, by `settings.seed`: every code has as many items as before, but none that it was made for. A budget of
    b unseen items is then a random set of them, and finds the target with the probability b / unseen.
    """
    dealt = np.random.default_rng(settings.seed).permutation(index.num_items).astype(np.int32)
    random_index = InvertedIndex(index.codes, index.offsets, dealt)
    tried = tuple(each for each in settings.candidates if each in RANDOM_STRATEGIES)
    ranks = rank_by_codes(
        f"random codes for {name.name}",
        queries,
        random_index,
        vectors,
        {"exact": PairScorer(vectors, representatives, normalize)},
        replace(settings, candidates=tried),
        space,
        normalize,
        rank_codes=False,
    )
    named = {key._replace(candidates=f"{RANDOM}{key.candidates}"): found for key, found in ranks.items()}
    return _tokenizer_rows(dataset, name, queries, index, settings, named, note)


def _tokenizer_rows(
    dataset: str,
    name: TokenizerName,
    queries: Queries,
    index: InvertedIndex,
    settings: EvaluationSettings,
    ranks: "dict[Strategy, RankedTwice]",
    note: str,
) -> list[Row]:
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
    return [
        {
            **own_columns,
            **outcome_row(dataset, queries, settings, found.items, note),
            **(code_columns(found.items, found.codes) if found.codes is not None else {}),
            **key._asdict(),
        }
        for key, found in ranks.items()
    ]


class RankedTwice(NamedTuple):
    """The same queries ranked among items and, where that is asked for, among distinct codes."""

    items: Ranks
    codes: Ranks | None


def rank_by_codes(
    what: str,
    queries: Queries,
    index: InvertedIndex,
    vectors: Vectors,
    scorers: dict[str, PairScorer],
    settings: EvaluationSettings,
    space: CodeSpace | None = None,
    normalize: bool = False,
    rank_codes: bool = True,
) -> dict[Strategy, RankedTwice]:
    """Rank each target among the candidates that the codes of `index` give, under every strategy that applies to them.

    scorers: by `rerank`. `what` names the codes in messages. Raises InputError for `probe` without a `space`.
    """
    strategies = [each for each in settings.candidates if each == PROBE or applies(each, index.num_levels)]
    budgets = {strategy: sorted(settings.budgets) if strategy == PROBE else [0] for strategy in strategies}
    ranks = {
        Strategy(strategy, budget, rerank): RankedTwice(
            Ranks(len(queries)), Ranks(len(queries)) if rank_codes else None
        )
        for strategy in strategies
        for rerank in scorers
        for budget in budgets[strategy]
    }
    with Progress(len(queries), f"evaluate {what}", "queries") as progress:
        for block in query_blocks(queries.stop - queries.start):
            history = queries.history(block)
            query = vectors_of_queries(vectors, history, settings, normalize)
            for strategy in strategies:
                if strategy == PROBE:
                    if space is None:
                        raise InputError(f"{what}: candidates probe needs the codebooks of the tokenizer")
                    # distances need the query as long as the items are
                    last = float_rows(vectors, history.values[history.offsets[1:] - 1]).norm(dim=1, keepdim=True)
                    batches = probe_batches(
                        index, space.tree, space.latent(query * last), history, max(settings.budgets)
                    )
                else:
                    batches = candidate_batches(index, history, strategy, settings.min_candidates)
                own = {key: found for key, found in ranks.items() if key.candidates == strategy}
                rank_candidates(batches, queries.target[block], query, scorers, own, block.start, index)
            progress.update(len(history))
    return ranks


def rank_candidates(
    batches: Iterator[tuple[slice, Ragged]],
    target: np.ndarray,
    query: torch.Tensor,
    scorers: dict[str, PairScorer],
    ranks: dict[Strategy, RankedTwice],
    first: int,
    index: InvertedIndex | None = None,
) -> None:
    """Fill `ranks` from batches of candidates of the queries of a block, the first of which is query number `first`.

    Candidates of a query that has a budget come nearest first: what lies beyond the budget is left out. `index` has the
    codes to rank by, where `ranks` ask for that.
    """
    started = time.perf_counter()
    for users, found in batches:
        searched = time.perf_counter() - started
        rows = slice(first + users.start, first + users.stop)
        own_query, own_target = query[users], target[users]
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
                ranked.greater[rows], ranked.equal[rows] = count_scores(
                    owner, scores, target_scores, np.ones(len(owner))
                )
                ranked.found[rows] = np.bincount(owner[values == own_target[owner]], minlength=len(found)) > 0
                ranked.size[rows] = np.bincount(owner, minlength=len(found))
                # scores are made once for all budgets: each is charged for its own
                ranked.seconds += searched + scored * len(owner) + time.perf_counter() - started
                if filled.codes is not None and index is not None:
                    codes, bucket = filled.codes, index.bucket_of_item
                    codes.greater[rows], codes.equal[rows], codes.found[rows] = code_ranks(
                        owner, scores, bucket[values], bucket[own_target]
                    )
        started = time.perf_counter()


def count_scores(
    owner: np.ndarray, scores: np.ndarray, target_scores: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """int64 [queries] twice: the weight of each query's scores above its target's, and of those equal to it."""
    threshold = target_scores[owner]
    above, like = (
        np.bincount(owner, weights=weights * compared, minlength=len(target_scores)).astype(np.int64)
        for compared in (scores > threshold, scores == threshold)
    )
    return above, like


def check_inputs(dataset: str, queries: Queries, vectors: Vectors) -> None:
    """InputError when no query is left, or one is of another catalogue than `vectors` [items, dim]."""
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


def query_blocks(history_lengths: np.ndarray) -> Iterator[slice]:
    """Consecutive queries: at most 4,096, and a million history items."""
    return split_by_budget(history_lengths + PAIR_BUDGET // QUERY_BLOCK, PAIR_BUDGET)


def vectors_of_queries(
    vectors: Vectors, history: Ragged, settings: EvaluationSettings, normalize: bool
) -> torch.Tensor:
    """:func:`semid.evaluation.queries.query_vectors` of these settings."""
    return query_vectors(vectors, history, settings.query, settings.decay, settings.history, normalize)


def outcome_row(dataset: str, queries: Queries, settings: EvaluationSettings, ranks: Ranks, note: str) -> Row:
    """The columns that ranks give, and those that say whose they are; `**strategy._asdict()` is left to the caller."""
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
        "no_history_skipped": queries.no_history_skipped,
        "unknown_target_skipped": queries.unknown_target_skipped,
    }
    untied = values[queries.untied].mean(axis=0) if queries.untied.any() else None
    for column, metric in enumerate(METRICS):
        row[metric] = float(means[column])
        row[f"{metric}_low"], row[f"{metric}_high"] = float(low[column]), float(high[column])
        if untied is not None and metric in ("recall@10", "ndcg@10"):
            row[f"{metric}_untied"] = float(untied[column])
    return row
