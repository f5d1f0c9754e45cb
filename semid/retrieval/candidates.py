"""Candidate strategies: from the items of a history to the unseen items that share their semantic IDs.

A strategy names ranges of the inverted index's item order; one function turns ranges into candidates. Everything is
vectorised over users, and the work is cut into batches by what it will cost, so that memory does not grow with
users x items.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from semid.errors import InputError
from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.ragged import Ragged, concatenated_ranges, distinct_pairs, offsets_of, split_by_budget

PAIR_BUDGET = 1 << 20


@dataclass(frozen=True, eq=False)
class _Seen:
    """Distinct (user, item) pairs of the histories, sorted by user, then item."""

    owner: np.ndarray
    item: np.ndarray
    num_users: int


@dataclass(frozen=True, eq=False)
class _Ranges:
    """Ranges `start <= position < stop` of the index's item order, disjoint in an owner; sorted by owner, start."""

    owner: np.ndarray
    start: np.ndarray
    stop: np.ndarray


@dataclass(frozen=True)
class Strategy:
    """A way to find candidates.

    ranges: (index, seen, min_candidates) -> ranges that hold every history item of their user.
    cost: (index, items) -> int64 [items], ranges each item of a history can add at most.
    min_levels: codes shorter than this are not searched in this way.
    """

    description: str
    ranges: Callable[[InvertedIndex, _Seen, int], _Ranges]
    cost: Callable[[InvertedIndex, np.ndarray], np.ndarray]
    min_levels: int = 1


def _bucket_ranges(index: InvertedIndex, owner: np.ndarray, bucket: np.ndarray) -> _Ranges:
    owner, bucket = distinct_pairs(owner, bucket, index.num_buckets)
    return _Ranges(owner, index.offsets[bucket], index.offsets[bucket + 1])


def _exact(index: InvertedIndex, seen: _Seen, min_candidates: int) -> _Ranges:
    return _bucket_ranges(index, seen.owner, index.bucket_of_item[seen.item])


def _hamming1(index: InvertedIndex, seen: _Seen, min_candidates: int) -> _Ranges:
    bucket = index.bucket_of_item[seen.item]
    owners, buckets = [], []
    for groups in index.wildcard_groups:
        group = groups.group_of_bucket[bucket]
        start, stop = groups.offsets[group], groups.offsets[group + 1]
        owners.append(np.repeat(seen.owner, stop - start))
        buckets.append(groups.members[concatenated_ranges(start, stop)])
    return _bucket_ranges(index, np.concatenate(owners), np.concatenate(buckets))


def _prefix(index: InvertedIndex, seen: _Seen, min_candidates: int) -> _Ranges:
    bucket = index.bucket_of_item[seen.item]
    seen_count = np.bincount(seen.owner, minlength=seen.num_users)
    waiting = np.ones(seen.num_users, bool)
    found = []
    for depth in range(index.num_levels, 0, -1):
        groups = index.prefix_groups[depth - 1]
        open_pairs = waiting[seen.owner]
        owner, group = distinct_pairs(
            seen.owner[open_pairs], groups.group_of_bucket[bucket[open_pairs]], len(groups.offsets) - 1
        )
        start, stop = index.offsets[groups.offsets[group]], index.offsets[groups.offsets[group + 1]]
        # every history item lies in one of these groups, so what is unseen needs no look at the items
        unseen = np.bincount(owner, weights=stop - start, minlength=seen.num_users) - seen_count
        enough = waiting & (unseen >= min_candidates) if depth > 1 else waiting
        take = enough[owner]
        found.append((owner[take], start[take], stop[take]))
        waiting = waiting & ~enough
    owner, start, stop = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.argsort(owner, kind="stable")
    return _Ranges(owner[order], start[order], stop[order])


def _one_range(index: InvertedIndex, items: np.ndarray) -> np.ndarray:
    return np.ones(len(items), np.int64)


def _neighbour_buckets(index: InvertedIndex, items: np.ndarray) -> np.ndarray:
    bucket = index.bucket_of_item[items]
    total = np.zeros(len(items), np.int64)
    for groups in index.wildcard_groups:
        group = groups.group_of_bucket[bucket]
        total += groups.offsets[group + 1] - groups.offsets[group]
    return total


STRATEGIES = {
    "exact": Strategy("same code as a history item", _exact, _one_range),
    "hamming1": Strategy("at most one position differs", _hamming1, _neighbour_buckets, min_levels=2),
    "prefix": Strategy("back off level by level until enough candidates", _prefix, _one_range),
}


def applies(strategy: str, num_levels: int) -> bool:
    """Whether `strategy` means anything for codes of this length; InputError for an unknown name."""
    if strategy not in STRATEGIES:
        raise InputError(f"unknown candidate strategy {strategy!r}: expected one of {', '.join(STRATEGIES)}")
    return num_levels >= STRATEGIES[strategy].min_levels


def candidate_batches(
    index: InvertedIndex,
    history: Ragged,
    strategy: str,
    min_candidates: int = 100,
    pair_budget: int = PAIR_BUDGET,
) -> Iterator[tuple[slice, Ragged]]:
    """Yield (slice of users, their candidates) in order, covering every user once.

    history: item indices, a list a user, any order, repeats allowed. Candidates are int32 item indices, each once a
    user, without the items of the history. `min_candidates` is for `prefix`: the depth, the same for all items of a
    history, is the largest that gives so many unseen candidates, or 1. A batch holds about `pair_budget`
    (user, item) pairs, or one user with more.
    """
    if not applies(strategy, index.num_levels):
        raise InputError(
            f"candidates {strategy!r} need codes of {STRATEGIES[strategy].min_levels} levels or more: leave it out"
        )
    costs = np.diff(offsets_of(STRATEGIES[strategy].cost(index, history.values))[history.offsets])
    for users in split_by_budget(costs, pair_budget):
        first, last = history.offsets[users.start], history.offsets[users.stop]
        part = Ragged(history.values[first:last], history.offsets[users.start : users.stop + 1] - first)
        owner, item = distinct_pairs(part.owner, part.values, index.num_items)
        ranges = STRATEGIES[strategy].ranges(index, _Seen(owner, item, len(part)), min_candidates)
        sizes = np.bincount(ranges.owner, weights=ranges.stop - ranges.start, minlength=len(part)).astype(np.int64)
        for batch in split_by_budget(sizes, pair_budget):
            own_seen = _of_users(batch, owner, item)
            own_ranges = _of_users(batch, ranges.owner, ranges.start, ranges.stop)
            found = _unseen_items(index, own_seen, own_ranges, batch.stop - batch.start)
            yield slice(users.start + batch.start, users.start + batch.stop), found


def candidates(index: InvertedIndex, history: Ragged, strategy: str, min_candidates: int = 100) -> Ragged:
    """All candidates at once, as :func:`candidate_batches` yields them."""
    parts = [part for _, part in candidate_batches(index, history, strategy, min_candidates)]
    lengths = np.concatenate([part.lengths for part in parts] or [np.zeros(0, np.int64)])
    return Ragged(np.concatenate([part.values for part in parts] or [np.zeros(0, np.int32)]), offsets_of(lengths))


def first_unseen(
    owner: np.ndarray, items: np.ndarray, seen_keys: np.ndarray, num_items: int, users: slice, budget: int
) -> Ragged:
    """The first `budget` items of each of `users` that it has not seen, int32, in the order given.

    owner, items: int64 [pairs], sorted by owner, which is counted from `users.start`; seen_keys: int64, ascending,
    `user * num_items + item` of what users have seen, users counted from 0.
    """
    keys = (owner + users.start) * num_items + items
    found = np.minimum(np.searchsorted(seen_keys, keys), max(len(seen_keys) - 1, 0))
    unseen = seen_keys[found] != keys if len(seen_keys) else np.ones(len(keys), bool)
    owner, items = owner[unseen], items[unseen]
    lengths = np.bincount(owner, minlength=users.stop - users.start)
    within = np.arange(len(owner)) - offsets_of(lengths)[owner] < budget
    return Ragged(items[within].astype(np.int32), offsets_of(np.minimum(lengths, budget)))


def _of_users(users: slice, owner: np.ndarray, *columns: np.ndarray) -> tuple[np.ndarray, ...]:
    """Rows of columns sorted by owner that belong to `users`, the owner first and counted from `users.start`."""
    rows = slice(*np.searchsorted(owner, [users.start, users.stop]))
    return owner[rows] - users.start, *(column[rows] for column in columns)


def _unseen_items(
    index: InvertedIndex, seen: tuple[np.ndarray, ...], ranges: tuple[np.ndarray, ...], num_users: int
) -> Ragged:
    seen_owner, seen_item = seen
    owner, start, stop = ranges
    positions = concatenated_ranges(start, stop)
    place = offsets_of(stop - start)
    seen_position = index.position_of_item[seen_item].astype(np.int64)
    # owner and position as one sorted key find the range that holds each seen item
    holder = np.searchsorted(owner * index.num_items + start, seen_owner * index.num_items + seen_position, "right") - 1
    keep = np.ones(len(positions), bool)
    keep[place[holder] + seen_position - start[holder]] = False
    lengths = np.bincount(owner, weights=stop - start, minlength=num_users).astype(np.int64)
    lengths -= np.bincount(seen_owner, minlength=num_users)
    return Ragged(index.items[positions[keep]], offsets_of(lengths))
