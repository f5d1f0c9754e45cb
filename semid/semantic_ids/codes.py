"""Code files: one part of codes for each part of the embeddings."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semid.errors import InputError
from semid.files import whole_file


def write_codes(path: str | Path, codes: np.ndarray, codebook_size: int) -> None:
    """Write integer `codes [rows, L]` as uint16, or as uint32 for codebooks of more than 65,536 codes."""
    if codes.ndim != 2 or codes.dtype.kind not in "iu":
        raise ValueError(f"codes must be integers [rows, L], not {codes.dtype} {list(codes.shape)}")
    if codes.size and not (codes.min() >= 0 and codes.max() < codebook_size):
        raise ValueError(f"codes run from {codes.min()} to {codes.max()}, outside a codebook of {codebook_size}")
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, codes.astype(np.uint16 if codebook_size <= 1 << 16 else np.uint32), allow_pickle=False)


def read_codes(paths: Sequence[str | Path]) -> np.ndarray:
    """Codes of all parts, in the order given: int32 `[n, L]`.

    Raises `InputError` for a part that is missing, broken or of another number of levels.
    """
    parts: list[np.ndarray] = []
    for path in map(Path, paths):
        try:
            part = np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            raise InputError(f"{path}: this part of the codes is missing; run the encode step again") from None
        except (ValueError, EOFError) as error:
            raise InputError(f"{path}: not a whole .npy file ({error}); run the encode step again") from None
        if part.ndim != 2 or part.dtype.kind not in "iu" or (parts and part.shape[1] != parts[0].shape[1]):
            expected = f"[rows, {parts[0].shape[1]}]" if parts else "[rows, levels]"
            raise InputError(f"{path}: expected integers {expected}, found {part.dtype} {list(part.shape)}")
        parts.append(part)
    codes = np.empty((sum(map(len, parts)), parts[0].shape[1]), np.int32)
    return np.concatenate(parts, out=codes, casting="unsafe")


def code_strings(codes: np.ndarray) -> pa.Array:
    """Semantic IDs as text, an Arrow string array `[n]`: the codes of an item joined by `-`, as in `"12-7-200-3"`."""
    columns = [pc.cast(pa.array(column), pa.string()) for column in codes.T]
    return pc.binary_join_element_wise(*columns, "-")
