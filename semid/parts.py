"""Arrays that are stored in parts: several files, one array; and the names of such parts."""

import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np


class Parts:
    """The rows of `parts`, in order, as one read-only array `[rows, width]` that stays where the parts are.

    `parts` are arrays or memmaps [rows, width] of one dtype and width. Slices, integer arrays (any order, repeats,
    negative numbers), boolean masks and single rows return numpy arrays in the stored dtype, in memory.
    """

    def __init__(self, parts: Sequence[np.ndarray]) -> None:
        self.parts = list(parts)
        self._offsets = np.cumsum([0] + [len(part) for part in parts])
        self.shape = (int(self._offsets[-1]), int(parts[0].shape[1]))
        self.dtype = parts[0].dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            return self._range(start, stop) if step == 1 else self._gather(np.arange(start, stop, step))
        if np.ndim(key) == 0:
            row = operator.index(key)
            if not -len(self) <= row < len(self):
                raise IndexError(f"row {row} of {len(self)}")
            row %= len(self)
            return self._range(row, row + 1)[0]
        indices = np.asarray(key)
        if indices.dtype == bool:
            if indices.shape != (len(self),):
                raise IndexError(f"a mask of shape {indices.shape} over {len(self)} rows")
            indices = np.flatnonzero(indices)
        elif indices.size == 0:
            indices = indices.astype(np.int64)
        if indices.ndim != 1 or indices.dtype.kind not in "iu":
            raise IndexError("rows are indexed by a slice, a row number, or a one-dimensional array of them")
        indices = indices.astype(np.int64, copy=False)
        if indices.size and (indices.min() < -len(self) or indices.max() >= len(self)):
            raise IndexError(f"rows {indices.min()} to {indices.max()} of {len(self)}")
        return self._gather(np.where(indices < 0, indices + len(self), indices))

    def _range(self, start: int, stop: int) -> np.ndarray:
        out = np.empty((max(stop - start, 0), self.shape[1]), self.dtype)
        for part, offset in zip(self.parts, self._offsets[:-1], strict=True):
            low, high = max(start, offset), min(stop, offset + len(part))
            if low < high:
                out[low - start : high - start] = part[low - offset : high - offset]
        return out

    def _gather(self, indices: np.ndarray) -> np.ndarray:
        if len(self.parts) == 1:
            return np.asarray(self.parts[0][indices])
        out = np.empty((len(indices), self.shape[1]), self.dtype)
        for part, here, rows in self.by_part(indices):
            out[here] = part[rows]
        return out

    def by_part(self, indices: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield each part that holds some of the rows `indices`, which of them these are, and their rows in the part.

        indices: int64, from 0 on, in any order.
        """
        owner = np.searchsorted(self._offsets, indices, side="right") - 1
        offsets = np.cumsum([0, *np.bincount(owner, minlength=len(self.parts))])
        # sorted by radix up to 16 bits, so that the number of parts does not count
        order = np.argsort(owner.astype(np.min_scalar_type(len(self.parts))), kind="stable")
        for number, part in enumerate(self.parts):
            here = order[offsets[number] : offsets[number + 1]]
            if len(here):
                yield part, here, indices[here] - self._offsets[number]


def shard_numbers(name: str) -> tuple[int, int]:
    """The number of a shard, from 0, and the number of all shards, of the name `00001-of-00004` that files carry."""
    shard, _, shards = name.partition("-of-")
    return int(shard), int(shards)
