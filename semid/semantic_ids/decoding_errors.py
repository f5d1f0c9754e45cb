"""What decoding loses of each item."""

from collections.abc import Callable
from typing import Any

import numpy as np

from semid.embeddings.store import block_rows
from semid.progress import Progress


def squared_errors(vectors: Any, decode: Callable[[np.ndarray], np.ndarray], codes: np.ndarray) -> np.ndarray:
    """Return float64 [n]: the squared distance of each of `vectors` [n, dim] from what its `codes` [n, L] decode to.

    Both are read, and decoded, in blocks of rows.
    """
    errors = np.empty(len(codes))
    step = block_rows(vectors.shape[1])
    with Progress(len(codes), "decoding", "items") as progress:
        for start in range(0, len(codes), step):
            rows = slice(start, start + step)
            lost = np.asarray(vectors[rows], np.float64) - decode(codes[rows])
            errors[rows] = np.einsum("nd,nd->n", lost, lost)
            progress.update(len(lost))
    return errors
