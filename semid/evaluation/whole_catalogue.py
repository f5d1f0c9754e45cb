"""The ceiling: ranks each target among all unseen items of the catalogue, fetched by an engine or the exact search."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import torch
from torch import Tensor

from semid.errors import InputError
from semid.evaluation.benchmark import Benchmark
from semid.evaluation.candidate_ranking import count_scores
from semid.evaluation.metrics import MAX_CUTOFF
from semid.evaluation.ranked_lists import first_places, first_ranked, first_unseen_of_all, padded
from semid.evaluation.target_ranks import Ranks
from semid.progress import Progress
from semid.retrieval.dense import PairScorer, top_items
from semid.retrieval.ragged import concatenated_ranges, distinct_pairs, offsets_of, split_by_budget
from semid.retrieval.seen import Seen
from semid.retrieval.strategies.candidates import PAIR_BUDGET

FETCH_SLACK = 32


class SearchEngine(Protocol):
    """Fetches items of the whole catalogue; a FaissIndex is one."""

    @property
    def shape(self) -> tuple[int, int]:
        """(items, dim)."""

    def search(self, queries: Tensor, k: int) -> np.ndarray:
        """Return int64 [queries, k]: item indices, best first, -1 where there are fewer."""


@dataclass(frozen=True, eq=False)
class Scored:
    """Distinct (query, group) pairs, sorted; a group of identical vectors is named by one of its items.

    All [pairs]: owner, group: int64; scores: float32; seen: int64, the members of the group that the query has seen.
    """

    owner: np.ndarray
    group: np.ndarray
    scores: np.ndarray
    seen: np.ndarray

    def of(self, kept: np.ndarray) -> "Scored":
        """Return some of the pairs; kept: bool [pairs], or integers, ascending."""
        return Scored(self.owner[kept], self.group[kept], self.scores[kept], self.seen[kept])


@dataclass(frozen=True, eq=False)
class Groups:
    """The catalogue by groups of identical vectors, each named by one of its items.

    sizes: int64 [items], 0 for items that name no group; `members[offsets[g]:offsets[g + 1]]` are the members of group
    g, ascending.
    """

    scorer: PairScorer
    sizes: np.ndarray
    members: np.ndarray
    offsets: np.ndarray

    @classmethod
    def build(cls, scorer: PairScorer) -> Self:
        """Group the items of a catalogue."""
        group_of_item = scorer.group_of_item
        sizes = np.bincount(group_of_item, minlength=len(group_of_item))
        return cls(scorer, sizes, np.argsort(group_of_item, kind="stable"), offsets_of(sizes))

    def seen_members(self, owner: np.ndarray, group: np.ndarray, seen: Seen) -> np.ndarray:
        """Return int64 [pairs]: the members of `group` that `owner` has seen; the pairs are distinct and sorted."""
        n = len(self.sizes)
        keys, seen_keys = owner * n + group, seen.owner * n + self.scorer.group_of_item[seen.item]
        place = np.minimum(np.searchsorted(keys, seen_keys), len(keys) - 1)
        return np.bincount(place[keys[place] == seen_keys], minlength=len(keys))

    def score_all(self, query: Tensor) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield (owner, group, score) of every group for each of a few queries, float32 [queries, dim], in blocks."""
        groups = np.flatnonzero(self.sizes)
        for block in split_by_budget(np.full(len(groups), len(query)), PAIR_BUDGET):
            owner = np.repeat(np.arange(len(query)), block.stop - block.start)
            group = np.tile(groups[block], len(query))
            yield owner, group, self.scorer.score_groups(query, owner, group)

    def count_all(self, query: Tensor, target_scores: np.ndarray, seen: Seen) -> tuple[np.ndarray, np.ndarray]:
        """Count scores over all unseen items, as :func:`semid.evaluation.candidate_ranking.count_scores` does."""
        # Every score of the zero vector is 0, so that all unseen items tie.
        greater, equal = np.zeros(len(query), np.int64), self.sizes.sum() - seen.counts
        scored = _is_not_zero(query)
        if scored.any():
            greater[scored], equal[scored] = self._count_scored(
                query[torch.from_numpy(scored)], target_scores[scored], seen.of_queries(scored)
            )
        return greater, equal

    def _count_scored(self, query: Tensor, target_scores: np.ndarray, seen: Seen) -> tuple[np.ndarray, np.ndarray]:
        """Count as :meth:`count_all` does, pair by pair."""
        greater, equal = np.zeros((2, len(query)), np.int64)
        for owner, group, scores in self.score_all(query):
            counts = count_scores(owner, scores, target_scores, self.sizes[group])
            greater, equal = greater + counts[0], equal + counts[1]
        scores = self.scorer.score_pairs(query, seen.owner, seen.item)
        counts = count_scores(seen.owner, scores, target_scores, np.ones(len(scores)))
        return greater - counts[0], equal - counts[1]

    def first_items(self, scored: Scored, seen: Seen, depth: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (owner, item, score) of the first `depth` unseen members of the scored groups of every query."""
        scored = scored.of(np.flatnonzero(self.sizes[scored.group] > scored.seen))
        # Each of these groups has an unseen member, so what scores below `depth` of them is not among the first.
        scored = scored.of(self._at_least_depth_th(scored, depth))
        # No more than its first `depth` unseen members of a group are among the first.
        taken = np.minimum(self.sizes[scored.group], depth + scored.seen)
        start = self.offsets[scored.group]
        item = self.members[concatenated_ranges(start, start + taken)].astype(np.int64)
        owner, scores = np.repeat(scored.owner, taken), np.repeat(scored.scores, taken)
        unseen = np.flatnonzero(seen.lacks(owner, item))
        kept = unseen[first_places(owner[unseen], item[unseen], scores[unseen], depth)]
        return owner[kept], item[kept], scores[kept]

    def first_of_all(self, query: Tensor, seen: Seen, depth: int) -> np.ndarray:
        """Return int32 [queries, depth]: the first unseen items of the whole catalogue, -1 where there are fewer."""
        # Items of one score are listed by index, and every score of the zero vector is 0.
        scored = _is_not_zero(query)
        lists = np.empty((len(query), depth), np.int32)
        if scored.any():
            lists[scored] = self._first_scored(query[torch.from_numpy(scored)], seen.of_queries(scored), depth)
        if not scored.all():
            items = np.sort(self.members)
            lists[~scored] = padded(first_unseen_of_all(items, seen.of_queries(~scored), depth), depth)
        return lists

    def _first_scored(self, query: Tensor, seen: Seen, depth: int) -> np.ndarray:
        """Return what :meth:`first_of_all` does, pair by pair."""
        best: tuple[np.ndarray, ...] = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
        for owner, group, scores in self.score_all(query):
            scored = Scored(owner, group, scores, self.seen_members(owner, group, seen))
            old_and_new = zip(best, self.first_items(scored, seen, depth), strict=True)
            owner, item, scores = (np.concatenate(columns) for columns in old_and_new)
            kept = first_places(owner, item, scores, depth)
            best = owner[kept], item[kept], scores[kept]
        owner, item, scores = best
        return first_ranked(owner, item, scores, len(query), depth)

    def _at_least_depth_th(self, scored: Scored, depth: int) -> np.ndarray:
        """Return the indices of the groups that score at least as much as the `depth`-th best of their query."""
        last = first_places(scored.owner, scored.group, scored.scores, depth)
        lowest = np.full(int(scored.owner.max(initial=-1)) + 1, np.inf, np.float32)
        np.minimum.at(lowest, scored.owner[last], scored.scores[last])
        return np.flatnonzero(scored.scores >= lowest[scored.owner])


def rank_in_catalogue(benchmark: Benchmark, engine: SearchEngine | None = None, with_lists: bool = True) -> Ranks:
    """Rank each target among all unseen items; ranks are exact as far down as a metric looks.

    The engine only fetches items. Fetched items become groups of identical vectors, which are scored once and counted
    with all their unseen members, so that the result is the same if only some of identical items were fetched. An
    engine that searches all vectors, such as `Flat`, gives the result of the exact search; an approximate one misses
    items. Raises InputError for an engine of another catalogue.
    """
    queries, items = benchmark.queries, benchmark.items
    _check_engine(engine, benchmark)
    scorer, n = items.scorer(), items.num_items
    groups = Groups.build(scorer)
    ranks = benchmark.empty_ranks() if with_lists else Ranks(len(queries))
    # Histories of similar length go together, since the longest of a block says how many items to fetch.
    order = np.argsort(queries.stop - queries.start, kind="stable")
    with Progress(len(queries), "evaluate all", "queries") as progress:
        for block in benchmark.blocks(order):
            started = time.perf_counter()
            rows, query, size = block.rows, block.vectors, len(block)
            seen = Seen.of(block.history, n)
            fetch = min(n, max(MAX_CUTOFF, ranks.depth) + int(seen.counts.max()) + FETCH_SLACK)
            items_found = (
                engine.search(query, fetch) if engine else top_items(items.vectors, query, fetch, items.normalize)
            )
            is_item = items_found >= 0
            owner = np.repeat(np.arange(size), is_item.sum(axis=1))
            group = scorer.group_of_item[items_found[is_item]]
            target_group = scorer.group_of_item[block.target]
            fetched = np.bincount(owner[group == target_group[owner]], minlength=size) > 0
            owner, group = distinct_pairs(np.append(owner, np.arange(size)), np.append(group, target_group), n)
            scores = scorer.score_groups(query, owner, group)
            target_scores = scores[np.searchsorted(owner * n + group, np.arange(size) * n + target_group)]
            scored = Scored(owner, group, scores, groups.seen_members(owner, group, seen))
            greater, equal = count_scores(owner, scores, target_scores, groups.sizes[group] - scored.seen)
            if fetch < n:
                cut = _ties_may_be_incomplete(scored, target_scores) & (greater < MAX_CUTOFF)
                greater[cut], equal[cut] = groups.count_all(
                    query[torch.from_numpy(cut)], target_scores[cut], seen.of_queries(cut)
                )
                # A target that the engine did not fetch is not among the first.
                greater[~(fetched | cut)] = np.maximum(greater[~(fetched | cut)], MAX_CUTOFF)
            ranks.greater[rows], ranks.equal[rows] = greater, equal
            ranks.found[rows] = True
            ranks.size[rows] = n - seen.counts
            ranks.seconds += block.seconds + time.perf_counter() - started
            if ranks.depth:
                # Every target was added above; one that was not fetched would be favoured in the lists.
                by_engine = scored.of((group != target_group[owner]) | fetched[owner])
                lists = first_ranked(*groups.first_items(by_engine, seen, ranks.depth), size, ranks.depth)
                if fetch < n:
                    cut = _lists_may_be_incomplete(by_engine, groups, is_item.all(axis=1), ranks.depth)
                    if cut.any():
                        lists[cut] = groups.first_of_all(
                            query[torch.from_numpy(cut)], seen.of_queries(cut), ranks.depth
                        )
                ranks.lists[rows] = lists
            progress.update(size)
    return ranks


def _check_engine(engine: SearchEngine | None, benchmark: Benchmark) -> None:
    items = benchmark.items
    if engine is not None and engine.shape != tuple(items.vectors.shape):
        raise InputError(
            f"the faiss index of {benchmark.dataset} holds {engine.shape[0]:,} items of width {engine.shape[1]}, the "
            f"embeddings {items.num_items:,} of width {items.vectors.shape[1]}: build the index again"
        )


def _is_not_zero(query: Tensor) -> np.ndarray:
    """Return bool [queries]: whether a query has a value that is not 0."""
    return (query != 0).any(dim=1).numpy()


def _lowest(scored: Scored, num_queries: int) -> np.ndarray:
    """Return float32 [queries]: the lowest score of each query, infinity where there is none."""
    lowest = np.full(num_queries, np.inf, np.float32)
    np.minimum.at(lowest, scored.owner, scored.scores)
    return lowest


def _ties_may_be_incomplete(scored: Scored, target_scores: np.ndarray) -> np.ndarray:
    """Return bool [queries]: whether the target ties with other vectors at the lowest score that was fetched.

    More such vectors may have been cut off; a query that is the zero vector ties the whole catalogue.
    """
    like_target = scored.owner[scored.scores == target_scores[scored.owner]]
    groups_like_target = np.bincount(like_target, minlength=len(target_scores))
    return (target_scores == _lowest(scored, len(target_scores))) & (groups_like_target > 1)


def _lists_may_be_incomplete(scored: Scored, groups: Groups, is_full: np.ndarray, depth: int) -> np.ndarray:
    """Return bool [queries]: whether a list may lack items, because the fetch was cut among items of one score.

    That is so if fewer than `depth` unseen items are above the lowest score that was fetched. is_full: bool [queries],
    whether the engine fetched as many items as it was asked for.
    """
    above = scored.scores > _lowest(scored, len(is_full))[scored.owner]
    unseen = (groups.sizes[scored.group] - scored.seen) * above
    return is_full & (np.bincount(scored.owner, weights=unseen, minlength=len(is_full)) < depth)
