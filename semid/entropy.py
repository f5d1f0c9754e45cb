"""Entropy: how evenly counts are spread, in bits."""

import numpy as np


def entropy_bits(counts: np.ndarray) -> float:
    """Entropy in bits of the distribution that non-negative counts [K] describe."""
    share = counts[counts > 0] / counts.sum()
    return max(0.0, -float((share * np.log2(share)).sum()))
