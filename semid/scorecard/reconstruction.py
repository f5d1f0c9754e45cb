"""What decoding loses of the embeddings."""

from collections.abc import Callable
from typing import Any

import numpy as np

from semid.scorecard.card import Reconstruction

ROWS_AT_ONCE = 8192


def reconstruction_error(
    vectors: Any, decode: Callable[[np.ndarray], Any], codes: np.ndarray, block_rows: int = ROWS_AT_ONCE
) -> Reconstruction:
    """Compare an array-like `vectors [n, dim]` with what `codes [n, L]` decode to, in blocks of rows.

    `decode(codes [m, L])` gives vectors `[m, dim]` in memory of the host.
    """
    n, dim = vectors.shape
    if len(codes) != n:
        raise ValueError(f"{n} vectors, but {len(codes)} codes")
    squared = spread = 0.0
    mean = np.zeros(dim)
    for start in range(0, n, block_rows):
        block = np.asarray(vectors[start : start + block_rows], np.float64)
        decoded = np.asarray(decode(codes[start : start + block_rows]), np.float64)
        squared += float(((block - decoded) ** 2).sum())
        # Means and sums of squares of blocks are merged as in Chan, Golub and LeVeque (1979), without cancellation.
        block_mean = block.mean(axis=0)
        shift = block_mean - mean
        spread += float(((block - block_mean) ** 2).sum())
        spread += float((shift**2).sum()) * start * len(block) / (start + len(block))
        mean += shift * len(block) / (start + len(block))
    return Reconstruction(
        error=squared / n,
        variance=spread / n,
        relative_error=squared / spread if spread > 0 else None,
    )
