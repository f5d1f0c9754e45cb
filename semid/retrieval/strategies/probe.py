"""The strategy `probe`: the items of the non-empty buckets that lie nearest to a query, up to a budget.

As the inverted multi-index does for two codebooks (Babenko and Lempitsky, 2012), here by a beam over the tree of the
codes that exist, so that no probe is spent on an empty bucket.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from torch import Tensor

from semid.errors import InputError
from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.ragged import Ragged, concatenated_ranges
from semid.retrieval.seen import Seen, first_unseen
from semid.retrieval.strategies.candidates import Candidates, IndexedCodes, QueryBlock
from semid.retrieval.tree import CodeTree


def find_probe(codes: IndexedCodes, queries: QueryBlock, budgets: Sequence[int]) -> Iterator[Candidates]:
    """Yield the unseen items of the buckets nearest to a query, nearest first, as many as the largest budget.

    Raises InputError for codes without a code space, and for queries without vectors.
    """
    if codes.space is None or queries.scaled_vectors is None:
        raise InputError(f"{codes.name}: candidates probe needs the codebooks of the tokenizer")
    # Distances need a query that is as long as the items are.
    latent = codes.space.latent(queries.scaled_vectors())
    return probe_batches(codes.index, codes.space.tree, latent, queries.history, max(budgets))


def probe_batches(
    index: InvertedIndex, tree: CodeTree, latent: Tensor, history: Ragged, budget: int
) -> Iterator[Candidates]:
    """Yield (slice of queries, their candidates): at most `budget` unseen items, of the nearest buckets first.

    latent: queries float32 [n, d'] in the space of the codebooks; history: the items a query has seen, left out. The
    bucket in which the budget ends gives its items in their order.
    """
    seen = Seen.of(history, index.num_items)
    # Seen items use up places, so that many more buckets may be needed; each bucket holds at least one item.
    wanted = budget + int(seen.counts.max(initial=0))
    for rows, buckets in tree.nearest_buckets(latent, wanted):
        query, place = np.nonzero(buckets >= 0)
        bucket = buckets[query, place]
        start, stop = index.offsets[bucket], index.offsets[bucket + 1]
        # No query needs more than its first `wanted` items.
        before = np.cumsum(stop - start) - (stop - start)
        first_of_query = np.searchsorted(query, np.arange(rows.stop - rows.start))
        before -= before[np.minimum(first_of_query, len(before) - 1)][query]
        kept = before < wanted
        query, start, stop = query[kept], start[kept], stop[kept]
        items = index.items[concatenated_ranges(start, stop)].astype(np.int64)
        query = np.repeat(query, stop - start)
        yield rows, first_unseen(query, items, seen, rows, budget)
