"""How far items are from the codewords that a repair may give them."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from scipy.spatial.distance import cdist  # type: ignore[import-untyped]

from semid.embeddings.identical import first_of_identical
from semid.embeddings.store import Rows
from semid.errors import InputError
from semid.quantizers import Decoder
from semid.quantizers.kernels.inputs import as_vectors, check_values

# So many float64 values of distances, or of residuals, are held at once.
VALUES_AT_ONCE = 1 << 21
# A thread is worth starting for so many rows.
ROWS_A_THREAD = 512


class CodeDistances:
    """Squared distances of items to codewords, in the space in which the codebooks of a tokenizer lie.

    That is the latent space of an autoencoder, the principal directions or the sub-spaces of other methods, and the
    space of the vectors for codes that were given. A codeword of a level is compared with the residual: the latent
    vector less the codewords of the other levels. Distances are sums of squared differences in float64, never the
    expanded square, whose terms would cancel.

    decoder: holds the codebooks; vectors: real numbers [n, dim], read by rows when they are asked for; codes: integers
    [n, L] of the same items.
    """

    def __init__(self, decoder: Decoder, vectors: Any, codes: np.ndarray) -> None:
        self._vectors = as_vectors(vectors, decoder.dim)
        if self._vectors.shape[0] != len(codes):
            raise InputError(
                f"{len(codes)} codes, but {self._vectors.shape[0]} vectors: expected a vector for each item"
            )
        self._decoder, self._codes = decoder, codes
        codebooks: Any = decoder.to("cpu")
        self._codebooks = [
            codebook[:size].double().numpy() for codebook, size in zip(codebooks.codebooks_, decoder.sizes, strict=True)
        ]

    def rows_at_once(self, level: int) -> int:
        """Return how many items are measured at once against all codewords of a level."""
        return max(1, VALUES_AT_ONCE // max(self._codebooks[level].shape))

    def residuals(self, rows: np.ndarray, depth: int) -> np.ndarray:
        """Return float64 [m, d]: the latent vectors of items `rows` less the codewords of their first `depth` codes."""
        with torch.inference_mode():
            block = torch.from_numpy(np.array(self._vectors[rows], np.float32))
            check_values(block, rows=rows)
            residual: np.ndarray = self._decoder.latent(block).double().numpy()
        for level in range(depth):
            residual = residual - self._codebooks[level][self._codes[rows, level]]
        return residual

    def to_level(self, rows: np.ndarray, level: int) -> np.ndarray:
        """Return float64 [m, K]: the squared distances of the residuals of items `rows` to all codewords of a level.

        The residual is that of the item's own codes of the levels before, and of no level after.
        """
        return squared_distances(self.residuals(rows, level), self._codebooks[level])

    def to_last_under(self, rows: np.ndarray, code: int) -> np.ndarray:
        """Return float64 [m, K]: as :meth:`to_level` of the last level, with another code of the level before it."""
        last = len(self._codebooks) - 1
        residual = self.residuals(rows, last - 1) - self._codebooks[last - 1][code]
        return squared_distances(residual, self._codebooks[last])

    def to_own(self, rows: np.ndarray) -> np.ndarray:
        """Return float64 [m]: the squared distances of items `rows` to what their own codes decode to."""
        step = self.rows_at_once(0)
        parts = [
            np.square(self.residuals(rows[start : start + step], len(self._codebooks))).sum(axis=1)
            for start in range(0, len(rows), step)
        ]
        return np.concatenate([np.empty(0), *parts])

    def identical(self, rows: np.ndarray) -> np.ndarray:
        """Return int64 [m]: for each of the items `rows` the first place among them of an item of the same vector."""
        return first_of_identical(Rows(_WithDtype(self._vectors), rows)).astype(np.int64)


def squared_distances(rows: np.ndarray, codewords: np.ndarray) -> np.ndarray:
    """Return float64 [m, K]: sums of squared differences of rows [m, d] and codewords [K, d], by threads of torch."""
    threads = min(torch.get_num_threads(), 1 + len(rows) // ROWS_A_THREAD)
    with ThreadPoolExecutor(threads) as pool:
        parts = pool.map(lambda part: cdist(part, codewords, "sqeuclidean"), np.array_split(rows, threads))
        return np.concatenate(list(parts))


class _WithDtype:
    """Vectors that say their dtype, which `Rows` asks for."""

    def __init__(self, vectors: Any) -> None:
        self._vectors, self.shape = vectors, tuple(vectors.shape)
        self.dtype = np.asarray(vectors[:1]).dtype

    def __getitem__(self, rows: Any) -> np.ndarray:
        return np.asarray(self._vectors[rows])
