"""Checks of arrays that callers give: what they are, their shape, and whether float32 can compute with their values."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from semid.errors import InputError

# the largest value allowed: its square, summed over a million rows of width 1,000, stays below the largest float32
LARGEST = 2.0**46
# the largest value of training rows must not be smaller: squares of what is a ten-millionth of it would underflow
SMALLEST = 2.0**-40

_REAL_NUMBERS = "real numbers"
_INTEGERS = "integers"
# the kinds of dtypes, as numpy names them
_KINDS = {_REAL_NUMBERS: "fiub", _INTEGERS: "iu"}


class Vectors(Protocol):
    """What `vectors` must offer: a two-dimensional shape, and indexing by slices and by arrays of integers."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: Any) -> Any: ...


def as_vectors(vectors: Any, dim: int | None = None) -> Vectors:
    """Return vectors that are read by rows: what was given or, of lists of numbers, an array.

    Raises `InputError` unless they are real numbers in two dimensions, have rows and, where given, `dim` columns. No
    row is read.
    """
    vectors = array_of_lists(vectors, "vectors")
    check_kind(vectors, "vectors", _REAL_NUMBERS)
    if not hasattr(vectors, "shape"):
        raise InputError(f"vectors are a {type(vectors).__name__}: expected an array [rows, dim]")
    shape = tuple(vectors.shape)
    if len(shape) != 2 or 0 in shape:
        raise InputError(f"vectors have shape {shape}: expected [rows, dim] with at least one row and one column")
    if dim is not None and shape[1] != dim:
        raise InputError(f"vectors are {shape[1]} wide, the tokenizer was trained on vectors {dim} wide")
    return vectors


def array_of_lists(values: Any, name: str) -> Any:
    """Return an array of lists or tuples of numbers, and anything else as it is.

    Raises `InputError` for lists whose lengths differ; `name` says what the values are.
    """
    if not isinstance(values, list | tuple):
        return values
    if values and all(isinstance(row, Tensor) for row in values):
        values = [row.detach().cpu() for row in values]
    try:
        return np.asarray(values)
    except ValueError:
        raise InputError(f"{name} are lists of different lengths: expected as many numbers in every row") from None


def check_kind(values: Any, name: str, expected: str) -> None:
    """Raise `InputError` where values, called `name`, are a table, sparse or masked, or their dtype is not as expected.

    Values that say nothing of their dtype pass.
    """
    if isinstance(values, np.ma.MaskedArray):
        raise InputError(
            f"{name} are a masked array: leave out the rows that have gaps, or fill them (.filled(0)), and give an "
            "array without a mask"
        )
    for method, kind in (("to_numpy", "table"), ("toarray", "sparse matrix")):
        if hasattr(values, method):
            raise InputError(f"{name} are a {kind} ({type(values).__name__}): give a plain array, as .{method}() makes")
    if isinstance(values, Tensor) and values.is_meta:
        raise InputError(f"{name} are a meta tensor, which holds no values: give one that was computed")
    if isinstance(values, Tensor) and values.layout != torch.strided:
        raise InputError(f"{name} are a sparse tensor: give a plain one, as .to_dense() makes")
    dtype = getattr(values, "dtype", None)
    if dtype is not None and _kind_of(dtype) not in _KINDS[expected]:
        advice = ""
        if _kind_of(dtype) == "O":
            is_list = len(values.shape) == 1
            advice = f", as np.stack({name}) makes of arrays" if is_list else f", as np.array({name}, float) makes"
        raise InputError(f"{name} are {_dtype_name(dtype)}: expected {expected}{advice}")


def _kind_of(dtype: Any) -> str:
    """Return the kind of a dtype of torch or numpy, as numpy names it."""
    if isinstance(dtype, torch.dtype):
        return "c" if dtype.is_complex else "f" if dtype.is_floating_point else "b" if dtype == torch.bool else "i"
    return np.dtype(dtype).kind


def _dtype_name(dtype: Any) -> str:
    kinds = {"U": "text", "S": "bytes", "O": "Python objects", "V": f"{dtype}, which numpy does not know as numbers"}
    return kinds.get(_kind_of(dtype), str(dtype).removeprefix("torch."))


def copy_float32(block: Any, out: Tensor) -> Tensor:
    """Overwrite `out` float32 [rows, dim] by a block of vectors, and return it."""
    check_kind(block, "vectors", _REAL_NUMBERS)
    if not isinstance(block, Tensor):
        block = np.asarray(block)
        check_kind(block, "vectors", _REAL_NUMBERS)
    if tuple(block.shape) != tuple(out.shape):
        raise InputError(f"vectors gave rows of shape {tuple(block.shape)}: expected {tuple(out.shape)}")
    if isinstance(block, Tensor):
        return out.copy_(block.detach())
    # a value beyond float32 becomes infinite, and is refused as such
    with np.errstate(over="ignore"):
        np.copyto(out.numpy(), block, casting="unsafe")
    return out


def check_values(block: Tensor, first_row: int = 0, rows: np.ndarray | None = None) -> float:
    """Return the largest magnitude in a block.

    Raises `InputError` that names the first row holding NaN, infinity or a value too large to square. `first_row` is
    the number of the block's first row; `rows` holds the number of each row where they are not contiguous.
    """
    if block.numel() == 0:
        return 0.0
    # both are NaN where any value is, and cost a fraction of a test of every value
    smallest, largest = map(float, torch.aminmax(block))
    if smallest >= -LARGEST and largest <= LARGEST:
        return max(-smallest, largest)
    # `>` would be false for NaN
    position = int((~(block.abs() <= LARGEST)).any(dim=1).nonzero()[0])
    row = first_row + position if rows is None else int(rows[position])
    if bool(torch.isfinite(block[position]).all()):
        raise InputError(
            f"row {row} of the vectors holds {float(block[position].abs().max()):.3g}: float32 distances need values "
            f"of at most {LARGEST:.3g}, divide all vectors by a constant"
        )
    raise InputError(
        f"row {row} of the vectors holds NaN or infinity as float32: every value must be finite, and at most "
        f"{LARGEST:.3g}"
    )


def check_scale(largest: float, is_zero: bool) -> None:
    """Raise `InputError` where the largest magnitude of training rows is so small that squares underflow.

    `is_zero` says that the rows were zero before they became float32; such rows are allowed.
    """
    if largest < SMALLEST and not is_zero:
        raise InputError(
            f"the largest value of the training rows is {largest:.3g}: float32 distances need one of at least "
            f"{SMALLEST:.3g}, multiply all vectors by a constant"
        )


def check_codes(codes: Any, sizes: Sequence[int]) -> Tensor:
    """Return codes as int64 [n, L]; lists of integers will do.

    Raises `InputError` unless they are integers, with a column for each level, from 0 to the level's size − 1.
    """
    codes = array_of_lists(codes, "codes")
    check_kind(codes, "codes", _INTEGERS)
    codes = codes.detach().cpu().numpy() if isinstance(codes, Tensor) else np.asarray(codes)
    if codes.ndim != 2 or codes.shape[1] != len(sizes):
        raise InputError(f"codes have shape {codes.shape}: expected [rows, {len(sizes)}]")
    check_kind(codes, "codes", _INTEGERS)
    if codes.size and not 0 <= int(codes.min()) <= int(codes.max()) < max(sizes):
        raise InputError(f"codes must lie between 0 and {max(sizes) - 1}, found {codes.min()} to {codes.max()}")
    for level, size in enumerate(sizes):
        if size < max(sizes) and codes.size and int(codes[:, level].max()) >= size:
            raise InputError(
                f"codes of level {level + 1} must lie between 0 and {size - 1}, found {codes[:, level].max()}"
            )
    return torch.from_numpy(codes.astype(np.int64))
