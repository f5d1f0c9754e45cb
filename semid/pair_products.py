"""Products of pairs of rows by loops that numba compiles: nothing is gathered that is there already.

The order of the additions is the compiler's, the same for a pair wherever it stands.
"""

from functools import cache
from typing import Any

import numpy as np
from torch import Tensor

from semid.loops import compile_loop, in_threads


def products_of_pairs(left: Tensor, right: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return ⟨left[r], right[c]⟩ float32 [pairs] of the pairs that rows and columns, int64 [pairs] each, name.

    left: float32 [n, d]; right: float32 [K, d]. Nothing is gathered. The order of the additions is the compiler's.
    """
    values = left.new_empty(len(rows))
    in_threads(
        compile_loop(_products_of_pairs, "reassoc", "contract"), len(rows), (rows, columns, values), (left, right)
    )
    return values


def products_and_squares(
    left: np.ndarray, right: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return ⟨left[r], right[c]⟩ and ⟨right[c], right[c]⟩, float64 [pairs] both, of the pairs of rows and columns.

    left: float32 [n, d]; right: float16 or float32 [K, d], which may be a mapped file; rows, columns: int64 [pairs].
    What is added is exact. Nothing is gathered.
    """
    products, squares = np.empty((2, len(rows)))
    # a mapped file, as the array that it is
    right = np.asarray(right)
    of_halves = right.dtype == np.float16
    read = right.view(np.uint16) if of_halves else right
    shared = (left, read, _values_of_halves())
    in_threads(_products_and_squares(of_halves), len(rows), (rows, columns, products, squares), shared)
    return products, squares


@cache
def _values_of_halves() -> np.ndarray:
    """All values of float16 as float32, by their bits."""
    return np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)


def _products_of_pairs(
    rows: np.ndarray, columns: np.ndarray, values: np.ndarray, left: np.ndarray, right: np.ndarray
) -> None:
    for pair in range(len(rows)):
        row, column, total = rows[pair], columns[pair], np.float32(0)
        for place in range(left.shape[1]):
            total += left[row, place] * right[column, place]
        values[pair] = total


@cache
def _products_and_squares(of_halves: bool) -> Any:
    """Compile the loop for float32, or for the bits of float16, which numba lacks; the other branch is dropped."""

    def loop(
        rows: np.ndarray,
        columns: np.ndarray,
        products: np.ndarray,
        squares: np.ndarray,
        left: np.ndarray,
        right: np.ndarray,
        values: np.ndarray,
    ) -> None:
        for pair in range(len(rows)):
            own, other = left[rows[pair]], right[columns[pair]]
            product, square = np.float64(0), np.float64(0)
            for place in range(len(other)):
                value = np.float64(values[other[place]]) if of_halves else np.float64(other[place])
                product += value * np.float64(own[place])
                square += value * value
            products[pair], squares[pair] = product, square

    return compile_loop(loop, "reassoc")
