"""The strategy `prefix`: back off from a history's codes, level by level, until there are enough candidates."""

from collections.abc import Iterator

import numpy as np

from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.ragged import distinct_pairs
from semid.retrieval.seen import Seen
from semid.retrieval.strategies.candidates import Candidates, IndexedCodes, QueryBlock, Ranges, unseen_in_ranges


def find_prefix(codes: IndexedCodes, queries: QueryBlock, min_candidates: int) -> Iterator[Candidates]:
    """Yield the unseen items that share a prefix with a history item.

    The depth, the same for all items of a history, is the largest that gives at least `min_candidates` unseen items; it
    is 1 if none does.
    """
    index, history = codes.index, queries.history
    return unseen_in_ranges(
        index,
        history,
        np.ones(len(history.values), np.int64),
        lambda seen: _prefix_ranges(index, seen, min_candidates),
    )


def _prefix_ranges(index: InvertedIndex, seen: Seen, min_candidates: int) -> Ranges:
    bucket = index.bucket_of_item[seen.item]
    waiting = np.ones(seen.num_queries, bool)
    taken = []
    for depth in range(index.num_levels, 0, -1):
        groups = index.prefix_groups[depth - 1]
        open_pairs = waiting[seen.owner]
        owner, group = distinct_pairs(
            seen.owner[open_pairs], groups.group_of_bucket[bucket[open_pairs]], len(groups.offsets) - 1
        )
        start, stop = index.offsets[groups.offsets[group]], index.offsets[groups.offsets[group + 1]]
        # Every history item lies in one of these groups, so the unseen items can be counted without a look at them.
        unseen = np.bincount(owner, weights=stop - start, minlength=seen.num_queries) - seen.counts
        enough = waiting & (unseen >= min_candidates) if depth > 1 else waiting
        take = enough[owner]
        taken.append((owner[take], start[take], stop[take]))
        waiting = waiting & ~enough
    owner, start, stop = (np.concatenate(column) for column in zip(*taken, strict=True))
    order = np.argsort(owner, kind="stable")
    return Ranges(owner[order], start[order], stop[order])
