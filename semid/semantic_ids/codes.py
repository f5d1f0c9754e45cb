"""Code files: one part of codes for each part of the embeddings."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semid.errors import InputError
from semid.files import column_list, open_array, write_array
from semid.parts import Parts

REMEDY = "; run the encode step again"
# A codebook of this size fits in memory.
LARGEST_CODEBOOK = 1 << 16


def write_codes(path: str | Path, codes: np.ndarray, codebook_size: int) -> None:
    """Write codes, integers [rows, L], as uint16, or as uint32 for codebooks of more than 65,536 codes.

    Raises `ValueError` for codes that are no integers [rows, L], or lie outside the codebook.
    """
    if codes.ndim != 2 or codes.dtype.kind not in "iu":
        raise ValueError(f"codes must be integers [rows, L], not {codes.dtype} {list(codes.shape)}")
    if codes.size and not (codes.min() >= 0 and codes.max() < codebook_size):
        raise ValueError(f"codes run from {codes.min()} to {codes.max()}, outside a codebook of {codebook_size}")
    write_array(path, codes.astype(np.uint16 if codebook_size <= 1 << 16 else np.uint32))


def open_codes(paths: Sequence[str | Path]) -> Parts:
    """Open the codes of all parts, in the order given: integers `[n, L]` that stay on disk until rows are read.

    Raises `InputError` for a part that is missing, broken, or of another number of levels or dtype than the first.
    """
    parts: list[np.ndarray] = []
    for path in map(Path, paths):
        part = open_array(path, "iu", "integers [rows, levels]", REMEDY)
        if parts and (part.shape[1], part.dtype) != (parts[0].shape[1], parts[0].dtype):
            raise InputError(
                f"{path}: {part.shape[1]} levels of {part.dtype}, the parts before it have {parts[0].shape[1]} of "
                f"{parts[0].dtype}{REMEDY}"
            )
        parts.append(part)
    return Parts(parts)


def bucket_sizes(codes: np.ndarray) -> np.ndarray:
    """Return int64 [buckets]: how many of the codes, integers [n, L], each distinct code has."""
    ordered = codes[np.lexsort(codes.T[::-1])]
    return np.diff(prefix_starts(ordered, codes.shape[1]))


def items_sharing_codes(codes: np.ndarray) -> np.ndarray:
    """Return bool [n]: whether another of the codes, integers [n, L], is the same."""
    order = np.lexsort(codes.T[::-1])
    sizes = np.diff(prefix_starts(codes[order], codes.shape[1]))
    shares = np.empty(len(codes), bool)
    shares[order] = np.repeat(sizes > 1, sizes)
    return shares


def prefix_starts(ordered: np.ndarray, depth: int) -> np.ndarray:
    """Return int64 [prefixes + 1]: where each distinct prefix of `depth` codes begins in ascending codes, and n."""
    n = len(ordered)
    is_start = np.zeros(n, bool)
    is_start[:1] = True
    for level in ordered.T[:depth]:
        is_start[1:] |= level[1:] != level[:-1]
    return np.append(np.flatnonzero(is_start), n)


def level_columns(path: str | Path, names: Sequence[str]) -> list[str]:
    """Return those `names` of the columns of the table `path` that hold a level each, from `c0` or `c1` on, in order.

    Raises `InputError` when a level is missing among them.
    """
    levels = sorted(int(name[1:]) for name in names if re.fullmatch(r"c(0|[1-9][0-9]*)", name))
    twice = [level for level, next_level in pairwise(levels) if level == next_level]
    if twice:
        raise InputError(f"{path}: it has two columns c{twice[0]}: keep the one that is meant")
    first = levels[0] if levels else 1
    if levels and (first > 1 or levels != list(range(first, first + len(levels)))):
        raise InputError(f"{path}: columns c{first} to c{levels[-1]} with gaps; its columns are {column_list(names)}")
    return [f"c{level}" for level in levels]


def code_strings(codes: np.ndarray) -> pa.Array:
    """Return semantic IDs as an Arrow string array `[n]`: the codes of an item joined by `-`, as in `"12-7-200-3"`."""
    columns = [pc.cast(pa.array(column), pa.string()) for column in codes.T]
    return pc.binary_join_element_wise(*columns, "-")
