"""The strategy `hamming1`: the unseen items whose code differs from that of a history item in at most one level."""

from collections.abc import Iterator

import numpy as np

from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.ragged import concatenated_ranges
from semid.retrieval.seen import Seen
from semid.retrieval.strategies.candidates import (
    Candidates,
    IndexedCodes,
    QueryBlock,
    Ranges,
    bucket_ranges,
    unseen_in_ranges,
)


def find_hamming1(codes: IndexedCodes, queries: QueryBlock) -> Iterator[Candidates]:
    """Yield the unseen items of buckets whose code differs from that of a history item at no more than one level."""
    index, history = codes.index, queries.history
    return unseen_in_ranges(
        index, history, _neighbour_buckets(index, history.values), lambda seen: _neighbour_ranges(index, seen)
    )


def _neighbour_ranges(index: InvertedIndex, seen: Seen) -> Ranges:
    bucket = index.bucket_of_item[seen.item]
    owners, buckets = [], []
    for groups in index.wildcard_groups:
        group = groups.group_of_bucket[bucket]
        start, stop = groups.offsets[group], groups.offsets[group + 1]
        owners.append(np.repeat(seen.owner, stop - start))
        buckets.append(groups.members[concatenated_ranges(start, stop)])
    return bucket_ranges(index, np.concatenate(owners), np.concatenate(buckets))


def _neighbour_buckets(index: InvertedIndex, items: np.ndarray) -> np.ndarray:
    """Return int64 [items]: an upper bound on the buckets that each item leads to.

    A bucket that is reached by several levels is counted each time.
    """
    bucket = index.bucket_of_item[items]
    total = np.zeros(len(items), np.int64)
    for groups in index.wildcard_groups:
        group = groups.group_of_bucket[bucket]
        total += groups.offsets[group + 1] - groups.offsets[group]
    return total
