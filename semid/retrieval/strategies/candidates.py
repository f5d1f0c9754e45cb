"""What candidate strategies share: their arguments, and the unseen items of ranges of the inverted index.

A strategy names ranges of the index's item order, and one function turns ranges into candidates. Everything is
vectorised over queries. The work is cut into batches by what it will cost, so that memory does not grow with
queries × items.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.ragged import Ragged, concatenated_ranges, distinct_pairs, offsets_of, split_by_budget
from semid.retrieval.seen import Seen
from semid.retrieval.tree import CodeSpace

# A batch holds so many (query, item) pairs, or one query with more.
PAIR_BUDGET = 1 << 20

# A slice of queries, and item indices int32 for each of them.
Candidates = tuple[slice, Ragged]


@dataclass(frozen=True, eq=False)
class IndexedCodes:
    """The codes of a catalogue, ready to be searched.

    name: whose codes they are, for messages; space: measures distances to codes, where codebooks are known.
    """

    name: str
    index: InvertedIndex
    space: CodeSpace | None = None


@dataclass(frozen=True, eq=False)
class QueryBlock:
    """Consecutive queries for which candidates are sought.

    history: item indices, a list a query, in any order, with repeats allowed; scaled_vectors: a function that gives
    the queries' vectors, float32 [queries, dim], each as long as the vector of its last item, for strategies that
    measure distances.
    """

    history: Ragged
    scaled_vectors: Callable[[], Tensor] | None = None


@dataclass(frozen=True, eq=False)
class Ranges:
    """Ranges `start <= position < stop` of the index's item order, sorted by owner, then start.

    owner: int64 [ranges], the query that a range belongs to. Ranges of one owner are disjoint.
    """

    owner: np.ndarray
    start: np.ndarray
    stop: np.ndarray

    def of_queries(self, queries: slice) -> "Ranges":
        """The ranges of some queries, which are counted from `queries.start`."""
        rows = slice(*np.searchsorted(self.owner, [queries.start, queries.stop]))
        return Ranges(self.owner[rows] - queries.start, self.start[rows], self.stop[rows])

    def items_of_queries(self, num_queries: int) -> np.ndarray:
        """int64 [queries]: how many items the ranges of each query hold together."""
        return np.bincount(self.owner, weights=self.stop - self.start, minlength=num_queries).astype(np.int64)


def bucket_ranges(index: InvertedIndex, owner: np.ndarray, bucket: np.ndarray) -> Ranges:
    """Return the distinct buckets of each owner as ranges; owner, bucket: integers [pairs], in any order."""
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
        seen = Seen.of(part, index.num_items)
        ranges = ranges_of(seen)
        for batch in split_by_budget(ranges.items_of_queries(len(part)), PAIR_BUDGET):
            unseen = _unseen_items(index, seen.of_queries(batch), ranges.of_queries(batch))
            yield slice(queries.start + batch.start, queries.start + batch.stop), unseen


def _unseen_items(index: InvertedIndex, seen: Seen, ranges: Ranges) -> Ragged:
    positions = concatenated_ranges(ranges.start, ranges.stop)
    place = offsets_of(ranges.stop - ranges.start)
    seen_position = index.position_of_item[seen.item].astype(np.int64)
    # Owner and position, as one sorted key, find the range that holds each seen item.
    range_keys = ranges.owner * index.num_items + ranges.start
    holder = np.searchsorted(range_keys, seen.owner * index.num_items + seen_position, "right") - 1
    keep = np.ones(len(positions), bool)
    keep[place[holder] + seen_position - ranges.start[holder]] = False
    lengths = ranges.items_of_queries(seen.num_queries) - seen.counts
    return Ragged(index.items[positions[keep]], offsets_of(lengths))
