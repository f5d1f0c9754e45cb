"""Lists of different lengths as two arrays, and the vectorised steps on them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Ragged:
    """`len(offsets) - 1` lists of integers: list `i` is `values[offsets[i]:offsets[i + 1]]`."""

    values: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """int64 [lists], the length of each list."""
        return np.diff(self.offsets)

    @property
    def owner(self) -> np.ndarray:
        """int64 [values], the list each value belongs to."""
        return np.repeat(np.arange(len(self)), self.lengths)


def offsets_of(lengths: np.ndarray) -> np.ndarray:
    """int64 [n + 1]: where each of `n` consecutive lists of these lengths begins, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def concatenated_ranges(starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """int64: the numbers of every range `starts[i] <= number < stops[i]`, range after range."""
    lengths = stops - starts
    offsets = offsets_of(lengths)
    return np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)


def distinct_pairs(owner: np.ndarray, value: np.ndarray, num_values: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct (owner, value) pairs as two int64 arrays, sorted by owner, then value; values are < `num_values`."""
    keys = np.unique(owner.astype(np.int64) * num_values + value)
    return keys // num_values, keys % num_values


def split_by_budget(costs: np.ndarray, budget: int) -> Iterator[slice]:
    """Cut `costs` into consecutive slices, each as long as its total stays within `budget`, but at least one entry."""
    totals = np.cumsum(costs, dtype=np.int64)
    start = 0
    while start < len(costs):
        spent = int(totals[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(totals, spent + budget, side="right")))
        yield slice(start, stop)
        start = stop
