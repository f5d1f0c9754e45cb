"""Blocks of float32 rows from any array, with checks of what they hold, and tensors that lie in a file."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from semid.errors import InputError

# the largest value allowed: its square, summed over a million rows of width 1,000, stays below the largest float32
LARGEST = 2.0**46


class Vectors(Protocol):
    """What `vectors` must offer: a two-dimensional shape, and indexing by slices and by arrays of integers."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: Any) -> Any: ...


def check_vectors(vectors: Vectors, dim: int | None = None) -> None:
    """Raise `InputError` unless `vectors` is two-dimensional, has rows and, where given, `dim` columns."""
    if not hasattr(vectors, "shape"):
        raise InputError(f"vectors are a {type(vectors).__name__}: expected an array [rows, dim]")
    shape = tuple(vectors.shape)
    if len(shape) != 2 or 0 in shape:
        raise InputError(f"vectors have shape {shape}: expected [rows, dim] with at least one row and one column")
    if dim is not None and shape[1] != dim:
        raise InputError(f"vectors are {shape[1]} wide, the tokenizer was trained on vectors {dim} wide")


def _copy_float32(block: Any, out: Tensor) -> Tensor:
    """Overwrite the first rows of `out` [rows, dim], float32, by a block of rows, and return them."""
    rows = out[: len(block)]
    if isinstance(block, Tensor):
        rows.copy_(block.detach())
    else:
        np.copyto(rows.numpy(), block, casting="unsafe")
    return rows


def check_values(block: Tensor, first_row: int = 0, rows: np.ndarray | None = None) -> None:
    """Raise `InputError` that names the first row holding NaN, infinity or a value too large to square.

    `first_row` is the number of the block's first row; `rows` holds the number of each row where they are not
    contiguous.
    """
    if block.numel() == 0:
        return
    # both are NaN where any value is, and cost a fraction of a test of every value
    smallest, largest = torch.aminmax(block)
    if float(smallest) >= -LARGEST and float(largest) <= LARGEST:
        return
    # `>` would be false for NaN
    position = int((~(block.abs() <= LARGEST)).any(dim=1).nonzero()[0])
    row = first_row + position if rows is None else int(rows[position])
    if bool(torch.isfinite(block[position]).all()):
        raise InputError(
            f"row {row} of the vectors holds {float(block[position].abs().max()):.3g}: float32 distances need values "
            f"of at most {LARGEST:.3g}, divide all vectors by a constant"
        )
    raise InputError(f"row {row} of the vectors holds NaN or infinity: every value must be finite")


def check_codes(codes: Any, sizes: Sequence[int]) -> Tensor:
    """Return codes as int64 [n, L].

    Raises `InputError` unless they are integers, with a column for each level, from 0 to the level's size − 1.
    """
    codes = np.asarray(codes)
    if codes.ndim != 2 or codes.shape[1] != len(sizes):
        raise InputError(f"codes have shape {codes.shape}: expected [rows, {len(sizes)}]")
    if codes.dtype.kind not in "iu":
        raise InputError(f"codes are {codes.dtype}: expected integers")
    if codes.size and not 0 <= int(codes.min()) <= int(codes.max()) < max(sizes):
        raise InputError(f"codes must lie between 0 and {max(sizes) - 1}, found {codes.min()} to {codes.max()}")
    for level, size in enumerate(sizes):
        if size < max(sizes) and codes.size and int(codes[:, level].max()) >= size:
            raise InputError(
                f"codes of level {level + 1} must lie between 0 and {size - 1}, found {codes[:, level].max()}"
            )
    return torch.from_numpy(codes.astype(np.int64))


def float32_blocks(vectors: Vectors, block: int, device: torch.device | str = "cpu") -> Iterator[tuple[int, Tensor]]:
    """Yield `(first row, float32 [rows, dim])` for consecutive blocks of vectors; a block overwrites the one before."""
    n, dim = vectors.shape
    buffer = torch.empty(min(block, n), dim)
    for start in range(0, n, block):
        rows = _copy_float32(vectors[start : min(start + block, n)], buffer)
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
            # blocks are reserved here, because a disk that is full later kills the process that writes a page
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            need = f"no room for {size / 1e6:,.0f} MB of training rows: free some, or choose another folder (TMPDIR)"
            raise OSError(error.errno, f"{error.strerror}: {need}", str(scratch)) from None
        return torch.from_file(file.name, shared=True, size=n * dim, dtype=dtype).view(n, dim)


def gather_float32(vectors: Vectors, rows: np.ndarray | None, scratch: str | Path | None = None) -> Tensor:
    """Read the chosen rows (None takes all), 16,384 at a time, into one float32 tensor made by :func:`empty_tensor`."""
    n = vectors.shape[0] if rows is None else len(rows)
    out = empty_tensor(n, vectors.shape[1], scratch=scratch)
    for start in range(0, n, 16_384):
        stop = min(start + 16_384, n)
        wanted = None if rows is None else rows[start:stop]
        block = _copy_float32(vectors[start:stop] if wanted is None else vectors[wanted], out[start:stop])
        check_values(block, start, wanted)
    return out


def select_rows(rows: Tensor, index: Tensor, scratch: str | Path | None = None) -> Tensor:
    """Copy the rows of a float32 CPU tensor [n, dim] that int64 `index` [m] names into an :func:`empty_tensor`."""
    out = empty_tensor(len(index), rows.shape[1], scratch=scratch)
    for target, part in zip(out.split(16_384), index.split(16_384), strict=True):
        torch.index_select(rows, 0, part, out=target)
    return out
