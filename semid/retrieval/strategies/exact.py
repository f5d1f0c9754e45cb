"""The strategy `exact`: the unseen items that have the code of a history item."""

from collections.abc import Iterator

import numpy as np

from semid.retrieval.strategies.candidates import Candidates, IndexedCodes, QueryBlock, bucket_ranges, unseen_in_ranges


def find_exact(codes: IndexedCodes, queries: QueryBlock) -> Iterator[Candidates]:
    """Yield the unseen items of the buckets in which the items of a history lie."""
    index, history = codes.index, queries.history
    return unseen_in_ranges(
        index,
        history,
        np.ones(len(history.values), np.int64),
        lambda seen: bucket_ranges(index, seen.owner, index.bucket_of_item[seen.item]),
    )
