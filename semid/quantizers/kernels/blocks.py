"""Blocks of float32 rows from any array, and tensors that lie in a file."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import torch
from torch import Tensor

from semid.files import reserve_room
from semid.quantizers.kernels.inputs import Vectors, check_scale, check_values, copy_float32


def float32_blocks(vectors: Vectors, block: int, device: torch.device | str = "cpu") -> Iterator[tuple[int, Tensor]]:
    """Yield `(first row, float32 [rows, dim])` for consecutive blocks of vectors; a block overwrites the one before."""
    n, dim = vectors.shape
    buffer = torch.empty(min(block, n), dim)
    for start in range(0, n, block):
        stop = min(start + block, n)
        rows = copy_float32(vectors[start:stop], buffer[: stop - start])
        check_values(rows, start)
        yield start, rows.to(device)


def sample_rows(n: int, size: int, seed: int) -> np.ndarray | None:
    """Draw a seeded sample of `size` of `n` rows without replacement, and return its row numbers in ascending order.

    None stands for all rows, where `size` is 0 or no less than `n`.
    """
    if size <= 0 or n <= size:
        return None
    return np.sort(np.random.default_rng(seed).choice(n, size, replace=False))


def empty_tensor(n: int, dim: int, dtype: torch.dtype = torch.float32, scratch: str | Path | None = None) -> Tensor:
    """Make an uninitialized tensor [n, dim] on the CPU: in memory or, where `scratch` is a folder, in a file there.

    The file has no name and disappears with the tensor, even when the process is killed. The system writes its pages
    out and reads them again as it likes, so that they need no memory. Raises `OSError` when the folder has no room.
    """
    if scratch is None or n == 0:
        return torch.empty(n, dim, dtype=dtype)
    size = n * dim * dtype.itemsize
    with NamedTemporaryFile(dir=scratch) as file:
        try:
            reserve_room(file, size)
        except OSError as error:
            need = f"no room for {size / 1e6:,.0f} MB of training rows: free some, or choose another folder (TMPDIR)"
            raise OSError(error.errno, f"{error.strerror}: {need}", str(scratch)) from None
        return torch.from_file(file.name, shared=True, size=n * dim, dtype=dtype).view(n, dim)


def gather_float32(vectors: Vectors, rows: np.ndarray | None, scratch: str | Path | None = None) -> Tensor:
    """Read training rows (None takes all), 16,384 at a time, into one float32 tensor made by :func:`empty_tensor`.

    Raises `InputError` for values that float32 cannot compute with, and names the row where a single row is at fault.
    """
    largest, is_zero = 0.0, True
    n = vectors.shape[0] if rows is None else len(rows)
    out = empty_tensor(n, vectors.shape[1], scratch=scratch)
    for start in range(0, n, 16_384):
        stop = min(start + 16_384, n)
        wanted = None if rows is None else rows[start:stop]
        block = vectors[start:stop] if wanted is None else vectors[wanted]
        largest = max(largest, check_values(copy_float32(block, out[start:stop]), start, wanted))
        # values of float64 may have become zero
        is_zero = is_zero and largest == 0 and not bool((block != 0).any())
    check_scale(largest, is_zero)
    return out


def select_rows(rows: Tensor, index: Tensor, scratch: str | Path | None = None) -> Tensor:
    """Copy the rows of a float32 CPU tensor [n, dim] that int64 `index` [m] names into an :func:`empty_tensor`."""
    out = empty_tensor(len(index), rows.shape[1], scratch=scratch)
    for target, part in zip(out.split(16_384), index.split(16_384), strict=True):
        torch.index_select(rows, 0, part, out=target)
    return out
