"""What candidate strategies share: their arguments, and the unseen items of ranges of the inverted index.

A strategy names ranges of the index's item order; one function turns ranges into candidates. Everything is vectorised
over queries, and the work is cut into batches by what it will cost, so that memory does not grow with queries × items.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.ragged import Ragged, concatenated_ranges, distinct_pairs, offsets_of, split_by_budget
from semid.retrieval.tree import CodeSpace

# (query, item) pairs of a batch, or one query with more
PAIR_BUDGET = 1 << 20

# a slice of queries, and item indices int32 for each of them
Candidates = tuple[slice, Ragged]


@dataclass(frozen=True, eq=False)
class IndexedCodes:
    """The codes of a catalogue, ready to be searched.

    name: of whose codes they are, for messages; space: what tells distances to codes, where codebooks are known.
    """

    name: str
    index: InvertedIndex
    space: CodeSpace | None = None


@dataclass(frozen=True, eq=False)
class QueryBlock:
    """Consecutive queries for which candidates are sought.

    history: item indices, a list a query, any order, repeats allowed; scaled_vectors: a function that gives their
    vectors, float32 [queries, dim], each as long as the vector of its last item, for strategies that measure distances.
    """

    history: Ragged
    scaled_vectors: Callable[[], Tensor] | None = None


@dataclass(frozen=True, eq=False)
class Seen:
    """Distinct (query, item) pairs of the histories, sorted by query, then item."""

    owner: np.ndarray
    item: np.ndarray
    num_queries: int


@dataclass(frozen=True, eq=False)
class Ranges:
    """Ranges `start <= position < stop` of the index's item order, disjoint in an owner; sorted by owner, start."""

    owner: np.ndarray
    start: np.ndarray
    stop: np.ndarray


def bucket_ranges(index: InvertedIndex, owner: np.ndarray, bucket: np.ndarray) -> Ranges:
    """The distinct buckets of each owner as ranges; owner, bucket: integers [pairs], in any order."""
    owner, bucket = distinct_pairs(owner, bucket, index.num_buckets)
    return Ranges(owner, index.offsets[bucket], index.offsets[bucket + 1])


def unseen_in_ranges(
    index: InvertedIndex, history: Ragged, costs: np.ndarray, ranges_of: Callable[[Seen], Ranges]
) -> Iterator[Candidates]:
    """Yield the unseen items of the ranges that `ranges_of` gives, which hold every history item of their owner.

    costs: int64 [history items], ranges that each item of a history can add at most. A batch holds about PAIR_BUDGET
    (query, item) pairs, or one query with more.
    """
    costs_of_queries = np.diff(offsets_of(costs)[history.offsets])
    for queries in split_by_budget(costs_of_queries, PAIR_BUDGET):
        first, last = history.offsets[queries.start], history.offsets[queries.stop]
        part = Ragged(history.values[first:last], history.offsets[queries.start : queries.stop + 1] - first)
        owner, item = distinct_pairs(part.owner, part.values, index.num_items)
        ranges = ranges_of(Seen(owner, item, len(part)))
        sizes = np.bincount(ranges.owner, weights=ranges.stop - ranges.start, minlength=len(part)).astype(np.int64)
        for batch in split_by_budget(sizes, PAIR_BUDGET):
            seen_of_batch = _of_queries(batch, owner, item)
            ranges_of_batch = _of_queries(batch, ranges.owner, ranges.start, ranges.stop)
            unseen = _unseen_items(index, seen_of_batch, ranges_of_batch, batch.stop - batch.start)
            yield slice(queries.start + batch.start, queries.start + batch.stop), unseen


def first_unseen(
    owner: np.ndarray, items: np.ndarray, seen_keys: np.ndarray, num_items: int, queries: slice, budget: int
) -> Ragged:
    """The first `budget` items of each of `queries` that it has not seen, int32, in the order given.

    owner, items: int64 [pairs], sorted by owner, which is counted from `queries.start`; seen_keys: int64, ascending,
    `query * num_items + item` of what queries have seen, queries counted from 0.
    """
    keys = (owner + queries.start) * num_items + items
    place = np.minimum(np.searchsorted(seen_keys, keys), max(len(seen_keys) - 1, 0))
    unseen = seen_keys[place] != keys if len(seen_keys) else np.ones(len(keys), bool)
    owner, items = owner[unseen], items[unseen]
    lengths = np.bincount(owner, minlength=queries.stop - queries.start)
    within = np.arange(len(owner)) - offsets_of(lengths)[owner] < budget
    return Ragged(items[within].astype(np.int32), offsets_of(np.minimum(lengths, budget)))


def _of_queries(queries: slice, owner: np.ndarray, *columns: np.ndarray) -> tuple[np.ndarray, ...]:
    """Rows of columns sorted by owner that belong to `queries`, the owner first and counted from `queries.start`."""
    rows = slice(*np.searchsorted(owner, [queries.start, queries.stop]))
    return owner[rows] - queries.start, *(column[rows] for column in columns)


def _unseen_items(
    index: InvertedIndex, seen: tuple[np.ndarray, ...], ranges: tuple[np.ndarray, ...], num_queries: int
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
    lengths = np.bincount(owner, weights=stop - start, minlength=num_queries).astype(np.int64)
    lengths -= np.bincount(seen_owner, minlength=num_queries)
    return Ragged(index.items[positions[keep]], offsets_of(lengths))
