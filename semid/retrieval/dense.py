"""Inner products: one scorer for every number that is compared, and the exact whole-catalogue search.

A search engine (FAISS, or `top_items` here) only fetches ids. Scores and order come from :class:`PairScorer`, so the
numbers do not depend on the engine, nor on how the pairs were batched.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from semid import loops
from semid.embeddings.store import Vectors, block_rows, by_part
from semid.pair_products import products_and_squares
from semid.progress import Progress

# as many pairs as name most rows of a small catalogue several times, each of which is converted once
SCORE_BATCH = 1 << 16
# catalogues that are worth the second in which a loop is compiled, and pairs that it scores at once: 80 MB
COMPILED_ITEMS, COMPILED_BATCH = 1 << 15, 1 << 20
# One operation has at most this many values. Up to torch's grain size it stays on one thread: no sum is split between
# threads, and where jobs share the cores nothing waits for a barrier, which costs up to ten times a small operation.
SERIAL_VALUES = 1 << 15
SEARCH_PRODUCTS = 1 << 25
# The square of a row that is not shorter is a normal number of float32, rounded as any other.
_SHORTEST = 2.0**-40


def float_rows(vectors: Vectors, rows: slice | np.ndarray, normalize: bool = False) -> torch.Tensor:
    """Return a copy of rows as float32 [rows, dim], L2-normalised if asked; a zero vector stays zero."""
    block = torch.tensor(np.ascontiguousarray(vectors[rows])).float()
    return unit_rows(block) if normalize else block


def read_float_rows(vectors: Vectors, rows: np.ndarray, normalize: bool = False) -> np.ndarray:
    """Return float32 [rows, dim] in memory, of rows that are read block by block."""
    dim = vectors.shape[1]
    values = np.empty((len(rows), dim), np.float32)
    step = block_rows(dim)
    for start in range(0, len(rows), step):
        values[start : start + step] = float_rows(vectors, rows[start : start + step], normalize).numpy()
    return values


def unit_rows(block: torch.Tensor) -> torch.Tensor:
    """Return rows divided by their Euclidean length; a zero row stays zero."""
    lengths = block.norm(dim=1, keepdim=True)
    units = block / lengths.clamp_min(1e-12)
    # the squares of very small values underflow, and those of very large ones overflow
    is_extreme = ~((lengths > _SHORTEST) & (lengths < torch.inf)).flatten()
    if is_extreme.any():
        extreme = block[is_extreme]
        largest = extreme.abs().amax(dim=1, keepdim=True)
        units[is_extreme] = torch.nn.functional.normalize(extreme / largest.where(largest > 0, 1), dim=1)
    return units


class PairScorer:
    """Inner products of queries and items, an item standing for the group whose vector it shares.

    vectors: float16 or float32 [groups, dim], read by row.
    group_of_item: integers [n], the row of `vectors` an item is scored by: its representative, or its bucket.
    normalize: score by L2-normalised vectors.
    is_compiled: whether a compiled loop adds products, in float64. Scores of both ways differ in their last bits.
    """

    def __init__(self, vectors: Vectors, group_of_item: np.ndarray, normalize: bool = False) -> None:
        self.vectors, self.group_of_item, self.normalize = vectors, group_of_item, normalize
        # by the catalogue alone, since its scores are compared
        self.is_compiled = len(group_of_item) >= COMPILED_ITEMS and loops.has_numba()

    def score_pairs(self, queries: torch.Tensor, owner: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Return float32 [m]: the inner product of `queries[owner[j]]` and the vector of `items[j]`.

        queries: float32 [n, dim]. A pair's score depends on its two vectors alone, bit for bit: products are summed
        row by row (of at most 32,768 dimensions), not in a matrix product, whose blocking depends on its shape.
        """
        return self.score_groups(queries, owner, self.group_of_item[items])

    def score_groups(self, queries: torch.Tensor, owner: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Return what :meth:`score_pairs` does for groups, which are named by their row in `vectors`."""
        scores = np.empty(len(groups), np.float32)
        size, score = (COMPILED_BATCH, self._by_loop) if self.is_compiled else (SCORE_BATCH, self._by_torch)
        for start in range(0, len(groups), size):
            batch = slice(start, start + size)
            scores[batch] = score(queries, owner[batch], groups[batch])
        return scores

    def _by_torch(self, queries: torch.Tensor, owner: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Return the scores of one batch."""
        # A popular row is read and converted once a batch, in the order of the file.
        rows, place = np.unique(groups, return_inverse=True)
        return _row_products(queries, owner, float_rows(self.vectors, rows, self.normalize), place)

    def _by_loop(self, queries: torch.Tensor, owner: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Return the scores of one batch by a compiled loop, which reads rows where they are."""
        products, squares = np.empty((2, len(groups)))
        left, owner = queries.contiguous().numpy(), owner.astype(np.int64)
        for part, here, rows in by_part(self.vectors, groups.astype(np.int64)):
            products[here], squares[here] = products_and_squares(left, part, owner[here], rows)
        if self.normalize:
            # float64 holds the squares of the shortest row and of the longest; the zero vector stays zero
            products /= np.sqrt(squares).clip(1e-300)
        return products.astype(np.float32)


def _row_products(left: torch.Tensor, left_rows: np.ndarray, right: torch.Tensor, right_rows: np.ndarray) -> np.ndarray:
    rows = max(1, SERIAL_VALUES // left.shape[1])
    chunks = zip(torch.from_numpy(left_rows).split(rows), torch.from_numpy(right_rows).split(rows), strict=True)
    return torch.cat([left.index_select(0, i).mul_(right.index_select(0, j)).sum(dim=1) for i, j in chunks]).numpy()


class RowReader(Protocol):
    """Takes the rows of a table in their order, `step` at a time."""

    step: int

    def take(self, start: int, rows: np.ndarray) -> None:
        """Take `step` rows as they are stored, of which the first is row `start`; the last may be fewer."""


def read_once(vectors: Vectors, readers: Sequence[RowReader], what: str = "rows") -> None:
    """Give the rows of `vectors` [n, dim] to all readers, in a single pass over them.

    A reader gets the blocks that it would get alone, whatever the steps of the others. Memory holds as many rows as the
    two largest steps.
    """
    n = vectors.shape[0]
    step = max(reader.step for reader in readers)
    taken = [0] * len(readers)
    held, first = np.empty((0, vectors.shape[1]), np.float32), 0
    with Progress(n, what) as progress:
        for start in range(0, n, step):
            stop = min(start + step, n)
            block = vectors[start:stop]
            held = np.concatenate([held, block]) if len(held) else block
            for number, reader in enumerate(readers):
                while taken[number] < n and min(taken[number] + reader.step, n) <= stop:
                    end = min(taken[number] + reader.step, n)
                    reader.take(taken[number], held[taken[number] - first : end - first])
                    taken[number] = end
            held, first = held[min(taken) - first :], min(taken)
            progress.update(stop - start)


class TopRows:
    """A reader that keeps the `k` rows of the largest inner products with each of some queries.

    queries: float32 [queries, dim]. The search is exact up to float32 rounding. Memory holds the products of one block
    and `k` rows a query. `rows`, int64 [queries, min(k, n)], are the best, best first, when all have been read.
    """

    def __init__(self, queries: torch.Tensor, k: int, normalize: bool = False) -> None:
        self._queries, self._k, self._normalize = queries, k, normalize
        self.step = max(1, min(block_rows(queries.shape[1]), SEARCH_PRODUCTS // max(len(queries), 1)))
        self._scores = torch.empty(len(queries), 0)
        self._rows = torch.empty(len(queries), 0, dtype=torch.int64)

    def take(self, start: int, rows: np.ndarray) -> None:
        """Keep the best of these rows and of those before."""
        products = self._queries @ float_rows(rows, slice(None), self._normalize).T
        scores, places = products.topk(min(self._k, products.shape[1]), dim=1)
        scores = torch.cat([self._scores, scores], dim=1)
        self._scores, kept = scores.topk(min(self._k, scores.shape[1]), dim=1)
        self._rows = torch.cat([self._rows, places + start], dim=1).gather(1, kept)

    @property
    def rows(self) -> np.ndarray:
        """int64 [queries, min(k, n)]: the rows of the largest products so far, best first."""
        return self._rows.numpy()


def top_items(vectors: Vectors, queries: torch.Tensor, k: int, normalize: bool = False) -> np.ndarray:
    """Return int64 [queries, min(k, n)]: the rows of the largest inner products, best first, as :class:`TopRows` does.

    It reads blocks of rows.
    """
    best = TopRows(queries, k, normalize)
    for start in range(0, vectors.shape[0], best.step):
        best.take(start, vectors[start : start + best.step])
    return best.rows
