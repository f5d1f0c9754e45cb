"""What candidate strategies share: their arguments, and the unseen items of ranges of the inverted index.

Most strategies name ranges of `index.items`, the items sorted by their codes, and :func:`unseen_in_ranges` turns
ranges into candidates. Everything is
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

# A batch holds at most this many (query, item) pairs, or one query with more.
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

    history: a list of item indices for each query; neither order nor repeats matter.
    scaled_vectors: a function that gives the queries' vectors, float32 [queries, dim], for strategies that measure
        distances to codes. Each is scaled to the norm of the vector of the user's latest item.
    """

    history: Ragged
    scaled_vectors: Callable[[], Tensor] | None = None


@dataclass(frozen=True, eq=False)
class Ranges:
    """Ranges of positions `start <= position < stop` in `index.items`, sorted by owner, then start.

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
    """Yield the unseen items of the ranges that `ranges_of` gives.

    The ranges of a query must hold all items of its history, or AssertionError is raised. costs: int64, for each entry
    of `history.values` an upper bound on the ranges that it adds, by which the work is cut into batches: a batch holds
    about PAIR_BUDGET (query, item) pairs, or one query with more.
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
    first_of_range = offsets_of(ranges.stop - ranges.start)
    seen_position = index.position_of_item[seen.item].astype(np.int64)
    # Owner and position, as one sorted key, find the range that holds each seen item.
    start_keys = ranges.owner * index.num_items + ranges.start
    range_of_seen = np.searchsorted(start_keys, seen.owner * index.num_items + seen_position, "right") - 1
    is_held = (ranges.owner[range_of_seen] == seen.owner) & (seen_position < ranges.stop[range_of_seen])
    assert (is_held & (range_of_seen >= 0)).all(), "the ranges of a query must hold all items of its history"
    keep = np.ones(len(positions), bool)
    keep[first_of_range[range_of_seen] + seen_position - ranges.start[range_of_seen]] = False
    lengths = ranges.items_of_queries(seen.num_queries) - seen.counts
    return Ragged(index.items[positions[keep]], offsets_of(lengths))
