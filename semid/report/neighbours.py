"""Places of items by UMAP, which puts those with similar embeddings together. It is imported where it is asked for."""

import warnings

import numpy as np
from umap import UMAP  # type: ignore[import-not-found,unused-ignore]

NEIGHBOURS = 15


def umap_places(embeddings: np.ndarray) -> np.ndarray:
    """Return float64 [m, 2], the places of embeddings float32 [m, dim], m at least 3; always the same."""
    neighbours = min(NEIGHBOURS, len(embeddings) - 1)
    model = UMAP(n_components=2, n_neighbors=neighbours, init="pca", random_state=0, n_jobs=1)
    with warnings.catch_warnings():
        # that it has fewer items than it likes
        warnings.simplefilter("ignore")
        return np.asarray(model.fit_transform(embeddings), np.float64)
