"""Scores candidates, and ranks each query's target among them."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from semid.evaluation.benchmark import Benchmark, Block
from semid.evaluation.costs import charge
from semid.evaluation.ranked_lists import first_ranked
from semid.evaluation.settings import EvaluationSettings
from semid.evaluation.target_ranks import Ranking, Ranks, code_ranks
from semid.progress import Progress
from semid.retrieval.dense import PairScorer
from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.strategies.candidates import Candidates, IndexedCodes, QueryBlock
from semid.retrieval.strategies.registry import strategy_named


class RankedTwice(NamedTuple):
    """The same queries ranked among items and, where that is asked for, among distinct codes."""

    items: Ranks
    codes: Ranks | None


def rank_by_codes(
    benchmark: Benchmark,
    codes: IndexedCodes,
    candidates: Sequence[str],
    scorers: Mapping[str, PairScorer],
    rank_codes: bool = True,
) -> dict[Ranking, RankedTwice]:
    """Rank each target among the candidates that codes give, under each of the strategies that applies to them.

    candidates: names of strategies; scorers: by the name of their `rerank`. Raises InputError for an unknown strategy,
    and for codes that lack what a strategy needs.
    """
    strategies = {name: strategy_named(name) for name in candidates}
    applied = {name: strategy for name, strategy in strategies.items() if codes.index.num_levels >= strategy.min_levels}
    num_queries = len(benchmark.queries)
    ranks = {
        Ranking(name, budget, rerank): RankedTwice(benchmark.empty_ranks(), Ranks(num_queries) if rank_codes else None)
        for name, strategy in applied.items()
        for rerank in scorers
        for budget in (sorted(benchmark.settings.budgets) if "budgets" in strategy.uses else [0])
    }
    with Progress(num_queries, f"evaluate {codes.name}", "queries") as progress:
        for block in benchmark.blocks():
            _rank_block(benchmark, block, codes, scorers, ranks)
            progress.update(len(block))
    for ranking, ranked in ranks.items():
        charge(ranked.items, benchmark, partial(_rank_alone, codes, scorers, ranking))
    return ranks


def _rank_block(
    benchmark: Benchmark,
    block: Block,
    codes: IndexedCodes,
    scorers: Mapping[str, PairScorer],
    ranks: Mapping[Ranking, RankedTwice],
) -> None:
    """Fill the rows of a block in `ranks`; the budgets of a strategy share the search of the largest."""
    query_block = benchmark.query_block(block)
    for name in dict.fromkeys(ranking.candidates for ranking in ranks):
        batches = _search(name, codes, query_block, benchmark.settings)
        filled = {ranking: ranked for ranking, ranked in ranks.items() if ranking.candidates == name}
        rank_candidates(batches, block, scorers, filled, codes.index)


def _search(name: str, codes: IndexedCodes, queries: QueryBlock, settings: EvaluationSettings) -> Iterator[Candidates]:
    """Search when the first candidates are asked for, so that all of it is timed."""
    yield from strategy_named(name).search(codes, queries, settings)


def _rank_alone(
    codes: IndexedCodes, scorers: Mapping[str, PairScorer], ranking: Ranking, benchmark: Benchmark
) -> Ranks:
    """Rank by one strategy, budget and rerank alone, whose seconds are therefore its own."""
    ranks = Ranks(len(benchmark.queries))
    if ranking.budget:
        benchmark = replace(benchmark, settings=replace(benchmark.settings, budgets=(ranking.budget,)))
    for block in benchmark.blocks():
        scorer = {ranking.rerank: scorers[ranking.rerank]}
        _rank_block(benchmark, block, codes, scorer, {ranking: RankedTwice(ranks, None)})
    return ranks


def rank_candidates(
    batches: Iterator[Candidates],
    block: Block,
    scorers: Mapping[str, PairScorer],
    ranks: Mapping[Ranking, RankedTwice],
    index: InvertedIndex | None = None,
) -> None:
    """Fill the rows of a block of consecutive queries in `ranks` from batches of their candidates.

    With a budget, candidates come nearest first, and those beyond the budget are left out. `index` is needed only if
    `ranks` ask for ranks among codes. The seconds that are counted include the making of the queries' vectors, and
    exclude that of lists.
    """
    assert isinstance(block.rows, slice)
    started = time.perf_counter()
    for queries, candidates in batches:
        search_seconds = time.perf_counter() - started + block.seconds * len(candidates) / len(block)
        rows = slice(block.rows.start + queries.start, block.rows.start + queries.stop)
        query, target = block.vectors[queries], block.target[queries]
        place = np.arange(len(candidates.values)) - np.repeat(candidates.offsets[:-1], candidates.lengths)
        for rerank, scorer in scorers.items():
            started = time.perf_counter()
            all_scores = scorer.score_pairs(query, candidates.owner, candidates.values)
            # A pair's score does not depend on its batch, so this is also the target's score among the candidates.
            target_scores = scorer.score_pairs(query, np.arange(len(candidates)), target)
            scored = (time.perf_counter() - started) / max(len(candidates.values), 1)
            for strategy, filled in ranks.items():
                if strategy.rerank != rerank:
                    continue
                started = time.perf_counter()
                kept = place < strategy.budget if strategy.budget else slice(None)
                owner, values, scores = candidates.owner[kept], candidates.values[kept], all_scores[kept]
                ranked = filled.items
                ranked.greater[rows], ranked.equal[rows] = count_scores(
                    owner, scores, target_scores, np.ones(len(owner))
                )
                ranked.found[rows] = np.bincount(owner[values == target[owner]], minlength=len(candidates)) > 0
                ranked.size[rows] = np.bincount(owner, minlength=len(candidates))
                # Scores are computed once for all budgets; each budget is charged for the scores of its own candidates.
                ranked.seconds += search_seconds + scored * len(owner) + time.perf_counter() - started
                if ranked.depth:
                    ranked.lists[rows] = first_ranked(owner, values, scores, len(candidates), ranked.depth)
                if filled.codes is not None and index is not None:
                    codes, bucket = filled.codes, index.bucket_of_item
                    codes.greater[rows], codes.equal[rows], codes.found[rows] = code_ranks(
                        owner, scores, bucket[values], bucket[target]
                    )
        started = time.perf_counter()


def count_scores(
    owner: np.ndarray, scores: np.ndarray, target_scores: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return int64 [queries] twice: the weight of the scores above the target's score, and of those equal to it.

    owner: integers [pairs], the query of each score; scores, weights: [pairs]; target_scores: [queries].
    """
    threshold = target_scores[owner]
    above, like = (
        np.bincount(owner, weights=weights * compared, minlength=len(target_scores)).astype(np.int64)
        for compared in (scores > threshold, scores == threshold)
    )
    return above, like
