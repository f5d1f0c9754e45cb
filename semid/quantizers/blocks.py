"""Any array in, float32 blocks out; and tensors that lie in a file instead of memory."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from semid.errors import InputError

# of a value: squared, and summed over a million rows of width 1,000, it stays below the largest float32
LARGEST = 2.0**46


class Vectors(Protocol):
    """What `vectors` must offer: a two-dimensional shape, and slices and integer arrays as indices."""

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
    """The first rows of `out` [rows, dim], float32, overwritten by a block of rows."""
    rows = out[: len(block)]
    if isinstance(block, Tensor):
        rows.copy_(block.detach())
    else:
        np.copyto(rows.numpy(), block, casting="unsafe")
    return rows


def check_values(block: Tensor, first_row: int = 0, rows: np.ndarray | None = None) -> None:
    """Raise `InputError` that names the first row holding NaN, infinity or a value too large to square.

    `first_row` is the number of the block's first row; `rows` the number of each, where they are not contiguous.
    """
    if block.numel() == 0:
        return
    # both are NaN where a value is, and cost a fraction of a test of each value
    smallest, largest = torch.aminmax(block)
    if float(smallest) >= -LARGEST and float(largest) <= LARGEST:
        return
    # not `>`, which is false of NaN
    position = int((~(block.abs() <= LARGEST)).any(dim=1).nonzero()[0])
    row = first_row + position if rows is None else int(rows[position])
    if bool(torch.isfinite(block[position]).all()):
        raise InputError(
            f"row {row} of the vectors holds {float(block[position].abs().max()):.3g}: float32 distances need values "
            f"of at most {LARGEST:.3g}, divide all vectors by a constant"
        )
    raise InputError(f"row {row} of the vectors holds NaN or infinity: every value must be finite")


def check_codes(codes: Any, sizes: Sequence[int]) -> Tensor:
    """Codes as int64 [n, L]; `InputError` unless they are integers, a column a level, each below the level's size."""
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
    """Yield `(first row, float32 [rows, dim])` for consecutive blocks of vectors; each overwrites the last."""
    n, dim = vectors.shape
    buffer = torch.empty(min(block, n), dim)
    for start in range(0, n, block):
        rows = _copy_float32(vectors[start : min(start + block, n)], buffer)
        check_values(rows, start)
        yield start, rows.to(device)


def sample_rows(n: int, size: int, seed: int) -> np.ndarray | None:
    """Ascending row numbers of a seeded sample without replacement; None when all `n` rows are taken (`size` 0)."""
    if size <= 0 or n <= size:
        return None
    return np.sort(np.random.default_rng(seed).choice(n, size, replace=False))


def empty_tensor(n: int, dim: int, dtype: torch.dtype = torch.float32, scratch: str | Path | None = None) -> Tensor:
    """An uninitialized tensor [n, dim] on the CPU: in memory or, given a folder, in a file there.

    The file has no name and goes when the tensor goes, also where the process is killed. Its pages are the system's to
    write out and read again: they need no memory. `OSError` where the folder has no room for it.
    """
    if scratch is None or n == 0:
        return torch.empty(n, dim, dtype=dtype)
    size = n * dim * dtype.itemsize
    with NamedTemporaryFile(dir=scratch) as file:
        try:
            # without blocks of its own a full disk would kill the process where it writes a page
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            need = f"no room for {size / 1e6:,.0f} MB of training rows: free some, or choose another folder (TMPDIR)"
            raise OSError(error.errno, f"{error.strerror}: {need}", str(scratch)) from None
        return torch.from_file(file.name, shared=True, size=n * dim, dtype=dtype).view(n, dim)


def gather_float32(vectors: Vectors, rows: np.ndarray | None, scratch: str | Path | None = None) -> Tensor:
    """The chosen rows (None: all) as one float32 tensor, an :func:`empty_tensor`, read 16,384 rows at a time."""
    n = vectors.shape[0] if rows is None else len(rows)
    out = empty_tensor(n, vectors.shape[1], scratch=scratch)
    for start in range(0, n, 16_384):
        stop = min(start + 16_384, n)
        wanted = None if rows is None else rows[start:stop]
        block = _copy_float32(vectors[start:stop] if wanted is None else vectors[wanted], out[start:stop])
        check_values(block, start, wanted)
    return out


def select_rows(rows: Tensor, index: Tensor, scratch: str | Path | None = None) -> Tensor:
    """Rows [m, dim] of a float32 CPU tensor [n, dim] that int64 `index` [m] names, in an :func:`empty_tensor`."""
    out = empty_tensor(len(index), rows.shape[1], scratch=scratch)
    for target, part in zip(out.split(16_384), index.split(16_384), strict=True):
        torch.index_select(rows, 0, part, out=target)
    return out
