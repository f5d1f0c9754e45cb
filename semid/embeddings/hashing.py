"""A model-free text embedding: hashed words and word pairs under a seeded random projection."""

from typing import Any

import numpy as np
import sklearn
from sklearn.feature_extraction.text import HashingVectorizer

from semid.embeddings.settings import HashingSettings
from semid.progress import Progress

# Words and word pairs share this many hashed features. Two that collide add noise as the projection does anyway.
FEATURES = 1 << 16


class HashingEncoder:
    """Text to unit vectors by feature hashing (Weinberger et al. 2009) and random signs (Achlioptas 2003).

    Fitted on nothing: a text has the same vector in every catalogue, shard and process. A text without words has the
    zero vector.
    """

    def __init__(self, settings: HashingSettings) -> None:
        self.dim = settings.dim
        self.made_by = {"scikit-learn": sklearn.__version__}
        self._vectorizer = HashingVectorizer(
            n_features=FEATURES, ngram_range=(1, 2), token_pattern=r"(?u)\w+", norm=None, dtype=np.float32
        )
        # Raw bits of PCG64 are the same in every numpy version; the distributions drawn from them need not be.
        bits = np.random.PCG64(settings.seed).random_raw((FEATURES * self.dim + 63) // 64)
        signs = np.unpackbits(bits.astype("<u8").view(np.uint8), count=FEATURES * self.dim)
        self._projection = (signs.astype(np.float32) * 2 - 1).reshape(FEATURES, self.dim)

    def tokenize(self, texts: list[str]) -> Any:
        """Weights of the hashed words and word pairs: a sparse float32 matrix `[n, 65,536]`."""
        counts = self._vectorizer.transform(texts)
        counts.eliminate_zeros()
        counts.data = np.sign(counts.data) * (1 + np.log(np.abs(counts.data)))
        return counts

    def encode_tokens(self, tokens: Any, batch_size: int, progress: Progress | None = None) -> np.ndarray:
        """Unit vectors `[n, dim]` in float32 of what :meth:`tokenize` gave."""
        vectors = np.empty((tokens.shape[0], self.dim), np.float32)
        for start in range(0, len(vectors), batch_size):
            # sparse times dense: row by row, so a text's vector does not depend on the batch it is in
            batch = tokens[start : start + batch_size] @ self._projection
            length = np.linalg.norm(batch, axis=1, keepdims=True)
            vectors[start : start + batch_size] = batch / np.where(length > 0, length, 1)
            if progress is not None:
                progress.update(len(batch))
        return vectors

    def encode(self, texts: list[str], batch_size: int = 1024, progress: Progress | None = None) -> np.ndarray:
        """Vectors `[n, dim]` in float32, each of length one."""
        return self.encode_tokens(self.tokenize(texts), batch_size, progress)
