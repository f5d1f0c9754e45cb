"""Where the targets of queries stand in each ranking of a generator, among items."""

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from semid.evaluation.queries import Queries
from semid.evaluation.target_ranks import Ranks
from semid.generative.model import Generator
from semid.generative.ranking import (
    BETAS,
    RANKINGS,
    SCORES_AT_ONCE,
    Ranked,
    dense_scores,
    find,
    hybrid_candidates,
    rank_candidates,
    rank_codes,
    rank_dense,
    rank_generated,
)
from semid.generative.sequences import last_items, length_batches, padded_rows
from semid.generative.trie import CodeTrie
from semid.progress import Progress
from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.ragged import Ragged
from semid.retrieval.seen import Seen

# Positions whose states are computed at once, and users who are ranked at once at most: what a beam of these holds
# should stay in cache.
POSITIONS_AT_ONCE = 1 << 14
USERS_AT_ONCE = 64


@dataclass(eq=False)
class Outcome:
    """What a generator found for all queries.

    ranks: by the name of the ranking; codes: what `generate` found, ranked among codes instead of items; certain: bool
    [queries], of whom the first items of `generate` are certainly those of the whole tree.
    """

    ranks: dict[str, Ranks] = field(default_factory=dict)
    codes: Ranks = field(default_factory=lambda: Ranks(0))
    certain: np.ndarray = field(default_factory=lambda: np.empty(0, bool))


@torch.inference_mode()
def user_states(model: Generator, queries: Queries) -> Tensor:
    """Return the states [queries, dim] behind the histories of queries, on the device of the model."""
    model.eval()
    device = model.codes.device
    history = last_items(queries.history(slice(0, len(queries))), model.settings.history)
    states = torch.empty(len(queries), model.settings.dim, device=device)
    for rows in length_batches(history.lengths, POSITIONS_AT_ONCE):
        states[torch.from_numpy(rows).to(device)] = model.user_states(padded_rows(history, rows).to(device))
    return states


@dataclass(frozen=True, eq=False)
class GeneratorEvaluation:
    """How a generator is evaluated on queries.

    index: that of the codes, None for a model that writes none. betas: the weights of `hybrid`, each a ranking called
    `hybrid:<weight>`; depth: the length of the lists that are kept. Seen items are no candidates, unless `removes_seen`
    is off. rankings: those that are made, of those that the model has.
    """

    model: Generator
    queries: Queries
    index: InvertedIndex | None
    betas: tuple[float, ...] = BETAS
    depth: int = 0
    removes_seen: bool = True
    rankings: tuple[str, ...] = RANKINGS

    @torch.inference_mode()
    def outcome(self) -> Outcome:
        """Rank the targets of all queries by the rankings that are asked for and that the model has.

        The states of users are computed on the device of the model, and all that is ranked on the CPU.
        """
        trie = None if self.index is None else _trie_of(self.index)
        n = len(self.queries)
        self.model.eval()
        ranking = self if self.model.codes.is_cpu else replace(self, model=copy.deepcopy(self.model).cpu())
        # all queries share them, so that none is charged for them
        vectors = ranking.model.items.compared()
        started = time.perf_counter()
        states = user_states(self.model, self.queries).cpu()
        encoding = time.perf_counter() - started
        outcome = Outcome(codes=Ranks(n), certain=np.ones(n, bool))
        num_items = len(self.model.codes)
        with Progress(n, "ranking by the generator", "queries") as progress:
            for rows in _blocks(n, num_items):
                history = self.queries.history(rows)
                seen = Seen.of(history if self.removes_seen else _without_items(history), num_items)
                target = torch.from_numpy(self.queries.target[rows])
                rankings = ranking._rank(states[rows], vectors, target, trie, seen, outcome, rows)
                for name, (ranked, seconds) in rankings.items():
                    ranks = outcome.ranks.setdefault(name, Ranks(n, self.depth))
                    _put(ranks, rows, ranked, seconds)
                progress.update(len(target))
        for ranks in outcome.ranks.values():
            ranks.seconds += encoding
        return outcome

    def _rank(
        self,
        users: Tensor,
        vectors: Tensor,
        target: Tensor,
        trie: CodeTrie | None,
        seen: Seen,
        outcome: Outcome,
        rows: slice,
    ) -> dict[str, tuple[Ranked, float]]:
        """Return where the targets of a block stand in every ranking, and the seconds that each took.

        vectors: of all items, as :func:`semid.generative.ranking.dense_scores` takes them.
        """
        model, rankings = self.model, {}
        asked = {"dense": bool(model.settings.item_weight), "generate": model.heads is not None}
        asked["hybrid"] = all(asked.values()) and bool(self.betas)
        asked = {name: is_there and name in self.rankings for name, is_there in asked.items()}
        clock = _Clock()
        if asked["dense"] or asked["hybrid"]:
            scores = dense_scores(vectors, users, seen)
            rankings["dense"] = rank_dense(scores, target, self.depth), clock.lap()
        if asked["generate"] or asked["hybrid"]:
            assert trie is not None
            assert self.index is not None
            found = find(model, users, trie, seen)
            rankings["generate"] = rank_generated(found, self.index, target, seen, self.depth), clock.lap()
            outcome.certain[rows] = found.certain.numpy()
            _put(outcome.codes, rows, rank_codes(found, self.index, target), clock.lap())
        if asked["hybrid"]:
            assert trie is not None
            assert self.index is not None
            candidates = hybrid_candidates(model, users, scores, found, trie, self.index, seen)
            both = rankings["dense"][1] + rankings["generate"][1] + clock.lap()
            for beta in self.betas:
                ranked = rank_candidates(candidates, beta, target, self.depth)
                rankings[f"hybrid:{beta:g}"] = ranked, both + clock.lap()
        return rankings


@lru_cache(maxsize=1)
def _trie_of(index: InvertedIndex) -> CodeTrie:
    """Return the tree of an index; the last that was asked for is kept."""
    return CodeTrie.build(index)


class _Clock:
    """Says how many seconds went by since it was asked last."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        return seconds


def _put(ranks: Ranks, rows: slice, ranked: Ranked, seconds: float) -> None:
    for name in ("greater", "equal", "found", "size"):
        getattr(ranks, name)[rows] = getattr(ranked, name)
    ranks.lists[rows] = ranked.lists
    ranks.seconds += seconds


def _blocks(num_queries: int, num_items: int) -> Iterator[slice]:
    step = max(1, min(USERS_AT_ONCE, SCORES_AT_ONCE // num_items))
    for start in range(0, num_queries, step):
        yield slice(start, min(start + step, num_queries))


def _without_items(history: Ragged) -> Ragged:
    return Ragged(history.values[:0], np.zeros_like(history.offsets))
