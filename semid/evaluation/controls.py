"""Controls: rows of the table that need no tokenizer, and beside which a tokenizer can be judged."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from semid.evaluation.benchmark import Benchmark, Row, query_blocks
from semid.evaluation.candidate_ranking import count_scores, rank_by_codes
from semid.evaluation.costs import charge
from semid.evaluation.engine import open_engine
from semid.evaluation.files import BenchmarkFiles, BenchmarkOptions, Evaluation, EvaluationPaths, open_benchmark
from semid.evaluation.ranked_lists import first_ranked, first_unseen_of_all, padded
from semid.evaluation.target_ranks import Ranking, Ranks
from semid.evaluation.whole_catalogue import SearchEngine, rank_in_catalogue
from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.ragged import concatenated_ranges, offsets_of, split_by_budget
from semid.retrieval.seen import Seen
from semid.retrieval.strategies.candidates import PAIR_BUDGET, IndexedCodes
from semid.retrieval.strategies.registry import strategies_for_control
from semid.semantic_ids.numbered_categories import numbered_categories

CONTROLS = "controls"


@dataclass(frozen=True, eq=False)
class Cooccurrence:
    """How often items stood next to each other in training.

    The neighbours of item `i` are `items[offsets[i]:offsets[i + 1]]`, ascending; `counts` says how often each of them
    stood beside it. offsets: int64 [items + 1]; items, counts: int32 [pairs].
    """

    offsets: np.ndarray
    items: np.ndarray
    counts: np.ndarray

    @classmethod
    def build(cls, steps: np.ndarray, num_items: int) -> Self:
        """Count `steps`, integers [steps, 2] of different items, in both directions."""
        # Both directions of all steps, as numbers that are sorted where they are: 16 bytes a step.
        keys = np.empty((2, len(steps)), np.int64)
        for place, (left, right) in enumerate([(0, 1), (1, 0)]):
            keys[place] = steps[:, left]
            keys[place] *= num_items
            keys[place] += steps[:, right]
        keys = keys.ravel()
        keys.sort()
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        counts = np.diff(first, append=len(keys)).astype(np.int32)
        keys = keys[first]
        offsets = offsets_of(np.bincount(keys // num_items, minlength=num_items))
        return cls(offsets, (keys % num_items).astype(np.int32), counts)


def evaluate_controls(
    benchmark: Benchmark,
    cooccurrence: Cooccurrence,
    engine: SearchEngine | None = None,
    categories: InvertedIndex | None = None,
) -> Evaluation:
    """Evaluate what depends on the dataset alone.

    - `all`: the whole catalogue, the ceiling. `engine` fetches items (rerank `faiss`); without an engine the exact
      search does (rerank `exact`), and gives the same numbers.
    - `popularity`: all items by how often they occur in training.
    - `cooccurrence`: those that stood beside the last item of the history in training, the most frequent first.
    - `category:exact`, `category:prefix`: `categories` indexes the paths of categories as if they were codes.

    Raises InputError for an engine of another catalogue.
    """
    items = benchmark.items
    rankings: dict[Ranking, Callable[[Benchmark], Ranks]] = {
        Ranking("all", 0, "exact" if engine is None else "faiss"): lambda part: rank_in_catalogue(part, engine),
        Ranking("popularity", 0, "counts"): rank_by_popularity,
        Ranking("cooccurrence", 0, "counts"): lambda part: rank_by_cooccurrence(part, cooccurrence),
    }
    ranks = {strategy: rank(benchmark) for strategy, rank in rankings.items()}
    for strategy, rank in rankings.items():
        charge(ranks[strategy], benchmark, rank)
    if categories is not None:
        codes = IndexedCodes("categories", categories)
        scorers = {"exact": items.scorer()}
        by_codes = rank_by_codes(benchmark, codes, strategies_for_control("categories"), scorers, rank_codes=False)
        for strategy, ranked_twice in by_codes.items():
            ranks[strategy._replace(candidates=f"category:{strategy.candidates}")] = ranked_twice.items
    rows: list[Row] = []
    for strategy, ranked in ranks.items():
        row = {**benchmark.outcome_row(ranked), **strategy._asdict(), "tokenizer": CONTROLS}
        rows.append(row | {"query": ""} if strategy.rerank == "counts" else row)
    return Evaluation(benchmark, rows, ranks)


def rank_by_popularity(benchmark: Benchmark) -> Ranks:
    """Rank each target among all unseen items by how often they occur in training."""
    queries, training_counts = benchmark.queries, benchmark.items.training_counts
    ranks, num_items = benchmark.empty_ranks(), len(training_counts)
    ascending = np.sort(training_counts)
    by_popularity = np.argsort(-training_counts, kind="stable") if ranks.depth else None
    for block in query_blocks(queries.stop - queries.start):
        started = time.perf_counter()
        seen, target_counts = Seen.of(queries.history(block), num_items), training_counts[queries.target[block]]
        below_or_equal = np.searchsorted(ascending, target_counts, side="right")
        seen_greater, seen_equal = count_scores(
            seen.owner, training_counts[seen.item], target_counts, np.ones(len(seen.owner))
        )
        ranks.greater[block] = num_items - below_or_equal - seen_greater
        ranks.equal[block] = below_or_equal - np.searchsorted(ascending, target_counts) - seen_equal
        ranks.size[block] = num_items - seen.counts
        ranks.found[block] = True
        ranks.seconds += time.perf_counter() - started
        if by_popularity is not None:
            ranks.lists[block] = padded(first_unseen_of_all(by_popularity, seen, ranks.depth), ranks.depth)
    return ranks


def rank_by_cooccurrence(benchmark: Benchmark, cooccurrence: Cooccurrence) -> Ranks:
    """Rank each target among the unseen items that stood beside the last item of the history in training."""
    queries, ranks = benchmark.queries, benchmark.empty_ranks()
    num_items = len(cooccurrence.offsets) - 1
    last = queries.items[queries.stop - 1]
    start, stop = cooccurrence.offsets[last], cooccurrence.offsets[last + 1]
    for block in split_by_budget(stop - start + queries.stop - queries.start, PAIR_BUDGET):
        started = time.perf_counter()
        history, target = queries.history(block), queries.target[block]
        place = concatenated_ranges(start[block], stop[block])
        owner = np.repeat(np.arange(len(target)), (stop - start)[block])
        unseen = Seen.of(history, num_items).lacks(owner, cooccurrence.items[place])
        owner, place = owner[unseen], place[unseen]
        item, counts = cooccurrence.items[place], cooccurrence.counts[place]
        is_target = item == target[owner]
        target_counts = np.zeros(len(target), np.int64)
        target_counts[owner[is_target]] = counts[is_target]
        ranks.greater[block], ranks.equal[block] = count_scores(owner, counts, target_counts, np.ones(len(owner)))
        ranks.found[block] = target_counts > 0
        ranks.size[block] = np.bincount(owner, minlength=len(target))
        ranks.seconds += time.perf_counter() - started
        if ranks.depth:
            ranks.lists[block] = first_ranked(owner, item, counts, len(target), ranks.depth)
    return ranks


def write_control_evaluation(
    files: BenchmarkFiles, options: BenchmarkOptions, paths: EvaluationPaths, threads: int = 1
) -> Evaluation:
    """Evaluate the controls of a dataset from its files, and write `offline_eval.csv` and `ranks.parquet`.

    `files.get("faiss")` are the files of an index, where there is one.
    """
    torch.set_num_threads(threads)
    benchmark, interactions = open_benchmark(files, options)
    categories = numbered_categories(files.catalogue, core_only=True)
    evaluation = evaluate_controls(
        benchmark,
        Cooccurrence.build(interactions.training_steps(), benchmark.items.num_items),
        open_engine(files.get("faiss") or (), files.catalogue, threads),
        InvertedIndex.build(categories) if categories.any() else None,
    )
    evaluation.write(paths)
    return evaluation
