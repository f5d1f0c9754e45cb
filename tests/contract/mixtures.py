"""Rows that tests of the quantizers learn from."""

import numpy as np


def mixture(n: int = 600, dim: int = 16, seed: int = 0, clusters: int = 12) -> np.ndarray:
    """float32 rows [n, dim] of a mixture of Gaussians, off the origin; every `seed` draws from the same mixture."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(clusters, dim)) + 0.5
    return (centres[generator.integers(clusters, size=n)] + 0.4 * generator.normal(size=(n, dim))).astype(np.float32)
