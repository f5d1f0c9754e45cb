"""Controls: rows that need no tokenizer, beside which a tokenizer's can be judged."""

import time
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
import torch

from semid.errors import InputError
from semid.evaluation.evaluate import (
    EvaluationSettings,
    Row,
    check_inputs,
    count_scores,
    outcome_row,
    query_blocks,
    rank_by_codes,
    vectors_of_queries,
)
from semid.evaluation.metrics import MAX_RANK
from semid.evaluation.queries import Queries
from semid.evaluation.ranks import Ranks, Strategy
from semid.progress import Progress
from semid.retrieval.candidates import PAIR_BUDGET
from semid.retrieval.dense import PairScorer, Vectors, top_items
from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.ragged import concatenated_ranges, distinct_pairs, offsets_of, split_by_budget

CONTROLS = "controls"
FETCH_SLACK = 32
# strategies that are tried with categories as codes
CATEGORY_STRATEGIES = ("exact", "prefix")


class SearchEngine(Protocol):
    """Fetches ids for the whole catalogue: a FaissIndex, for example."""

    @property
    def shape(self) -> tuple[int, int]:
        """(items, dim)."""

    def search(self, queries: torch.Tensor, k: int) -> np.ndarray:
        """int64 [queries, k]: item indices, best first, -1 where there are fewer."""


@dataclass(frozen=True, eq=False)
class Cooccurrence:
    """How often items stood next to each other in training.

    Those beside item `i` are `items[offsets[i]:offsets[i + 1]]`, ascending, each as often as `counts` says. All int64:
    offsets [items + 1], items and counts [pairs].
    """

    offsets: np.ndarray
    items: np.ndarray
    counts: np.ndarray

    @classmethod
    def build(cls, steps: np.ndarray, num_items: int) -> Self:
        """Count `steps`, integers [steps, 2] of different items, in both directions."""
        both = np.concatenate([steps[:, 0] * num_items + steps[:, 1], steps[:, 1] * num_items + steps[:, 0]])
        keys, counts = np.unique(both, return_counts=True)
        return cls(offsets_of(np.bincount(keys // num_items, minlength=num_items)), keys % num_items, counts)


def evaluate_controls(
    dataset: str,
    queries: Queries,
    vectors: Vectors,
    representatives: np.ndarray,
    training_counts: np.ndarray,
    cooccurrence: Cooccurrence,
    settings: EvaluationSettings,
    engine: SearchEngine | None = None,
    categories: InvertedIndex | None = None,
    normalize: bool = False,
    note: str = "",
) -> tuple[list[Row], dict[Strategy, Ranks]]:
    """Rows that depend on the dataset alone, and the ranks behind.

    - `all`: the whole catalogue, the ceiling. `engine` fetches (rerank `faiss`); without one the exact search does
      (rerank `exact`), with the same numbers.
    - `popularity`: all items by their training_counts, integers [items].
    - `cooccurrence`: those that stood beside the last item of the history in training, the most frequent first.
    - `category:exact`, `category:prefix`: `categories` indexes the paths of categories as if they were codes.

    representatives: integers [items]. Raises InputError as :func:`semid.evaluation.evaluate.evaluate_tokenizer`.
    """
    check_inputs(dataset, queries, vectors)
    if engine is not None and engine.shape != tuple(vectors.shape):
        raise InputError(
            f"the faiss index of {dataset} holds {engine.shape[0]:,} items of width {engine.shape[1]}, the embeddings "
            f"{vectors.shape[0]:,} of width {vectors.shape[1]}: build the index again"
        )
    ranks = {
        Strategy("all", 0, "exact" if engine is None else "faiss"): rank_in_catalogue(
            queries, vectors, representatives, settings, engine, normalize
        ),
        Strategy("popularity", 0, "counts"): rank_by_popularity(queries, training_counts),
        Strategy("cooccurrence", 0, "counts"): rank_by_cooccurrence(queries, cooccurrence),
    }
    if categories is not None:
        found = rank_by_codes(
            "categories",
            queries,
            categories,
            vectors,
            {"exact": PairScorer(vectors, representatives, normalize)},
            replace(settings, candidates=CATEGORY_STRATEGIES),
            normalize=normalize,
            rank_codes=False,
        )
        ranks |= {key._replace(candidates=f"category:{key.candidates}"): own.items for key, own in found.items()}
    rows = []
    for strategy, own in ranks.items():
        row = {**outcome_row(dataset, queries, settings, own, note), **strategy._asdict(), "tokenizer": CONTROLS}
        rows.append(row | {"query": ""} if strategy.rerank == "counts" else row)
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
        for block in query_blocks((queries.stop - queries.start)[order]):
            rows = order[block]
            history, target = queries.history(rows), queries.target[rows]
            query = vectors_of_queries(vectors, history, settings, normalize)
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
            greater, equal = count_scores(owner, scores, target_scores, group_sizes[group] - seen_members)
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
    for block in query_blocks(queries.stop - queries.start):
        started = time.perf_counter()
        history, target_counts = queries.history(block), training_counts[queries.target[block]]
        owner, item = distinct_pairs(history.owner, history.values, len(training_counts))
        below_or_equal = np.searchsorted(ascending, target_counts, side="right")
        seen_greater, seen_equal = count_scores(owner, training_counts[item], target_counts, np.ones(len(owner)))
        ranks.greater[block] = len(ascending) - below_or_equal - seen_greater
        ranks.equal[block] = below_or_equal - np.searchsorted(ascending, target_counts) - seen_equal
        ranks.size[block] = len(ascending) - np.bincount(owner, minlength=len(history))
        ranks.found[block] = True
        ranks.seconds += time.perf_counter() - started
    return ranks


def rank_by_cooccurrence(queries: Queries, cooccurrence: Cooccurrence) -> Ranks:
    """Rank each target among the unseen items that stood beside the last item of the history in training."""
    ranks = Ranks(len(queries))
    num_items = len(cooccurrence.offsets) - 1
    last = queries.items[queries.stop - 1]
    start, stop = cooccurrence.offsets[last], cooccurrence.offsets[last + 1]
    for block in split_by_budget(stop - start + queries.stop - queries.start, PAIR_BUDGET):
        started = time.perf_counter()
        history, target = queries.history(block), queries.target[block]
        place = concatenated_ranges(start[block], stop[block])
        owner = np.repeat(np.arange(len(target)), (stop - start)[block])
        seen = history.owner * num_items + history.values
        unseen = ~np.isin(owner * num_items + cooccurrence.items[place], seen)
        owner, place = owner[unseen], place[unseen]
        item, counts = cooccurrence.items[place], cooccurrence.counts[place]
        is_target = item == target[owner]
        target_counts = np.zeros(len(target), np.int64)
        target_counts[owner[is_target]] = counts[is_target]
        ranks.greater[block], ranks.equal[block] = count_scores(owner, counts, target_counts, np.ones(len(owner)))
        ranks.found[block] = target_counts > 0
        ranks.size[block] = np.bincount(owner, minlength=len(target))
        ranks.seconds += time.perf_counter() - started
    return ranks


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
    """As :func:`semid.evaluation.evaluate.count_scores`, over every unseen item of the catalogue."""
    greater, equal = np.zeros((2, len(query)), np.int64)
    groups = np.flatnonzero(group_sizes)
    for block in split_by_budget(np.full(len(groups), len(query)), PAIR_BUDGET):
        owner = np.repeat(np.arange(len(query)), block.stop - block.start)
        repeated = np.tile(groups[block], len(query))
        scores = scorer.score_groups(query, owner, repeated)
        counts = count_scores(owner, scores, target_scores, group_sizes[repeated])
        greater, equal = greater + counts[0], equal + counts[1]
    scores = scorer.score_pairs(query, seen_owner, seen_item)
    counts = count_scores(seen_owner, scores, target_scores, np.ones(len(scores)))
    return greater - counts[0], equal - counts[1]
