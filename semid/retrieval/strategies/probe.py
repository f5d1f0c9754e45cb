"""The strategy `probe`: the items of the non-empty buckets that lie nearest to a query, up to a budget.

As the inverted multi-index does for two codebooks (Babenko and Lempitsky, 2012), here by a beam over the tree of the
codes that exist, so that no probe is spent on an empty bucket.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from torch import Tensor

from semid.errors import InputError
from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.ragged import Ragged, concatenated_ranges, split_by_budget
from semid.retrieval.seen import Seen, first_unseen
from semid.retrieval.strategies.candidates import PAIR_BUDGET, Candidates, IndexedCodes, QueryBlock
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
    bucket in which the budget ends gives its items in their order. A batch holds at most PAIR_BUDGET (query, item)
    pairs, or one query with more.
    """
    seen = Seen.of(history, index.num_items)
    # Seen items use up places, so that many more buckets may be needed; each bucket holds at least one item.
    wanted = budget + int(seen.counts.max(initial=0))
    for queries, buckets in tree.nearest_buckets(latent, wanted):
        for rows in split_by_budget(np.full(len(buckets), wanted), PAIR_BUDGET):
            batch = slice(queries.start + rows.start, queries.start + rows.stop)
            query, items = _first_items(index, buckets[rows], budget + seen.counts[batch])
            yield batch, first_unseen(query, items, seen, batch, budget)


def _first_items(index: InvertedIndex, buckets: np.ndarray, needed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (query, item), int64 [pairs]: the first `needed` [queries] items of `buckets` [queries, m], in order.

    Only items that are needed are read of a bucket, however large it is; a bucket of −1 is none.
    """
    sizes = np.where(buckets >= 0, index.bucket_sizes[buckets], 0)
    before = np.cumsum(sizes, axis=1) - sizes
    taken = np.clip(needed[:, None] - before, 0, sizes)
    query, place = np.nonzero(taken)
    start, lengths = index.offsets[buckets[query, place]], taken[query, place]
    items = index.items[concatenated_ranges(start, start + lengths)].astype(np.int64)
    return np.repeat(query, lengths), items
