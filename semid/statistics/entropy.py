"""How evenly items are spread over codes."""

import numpy as np


def entropy_bits(counts: np.ndarray) -> float:
    """Entropy in bits of the distribution that non-negative counts [K] describe."""
    share = counts[counts > 0] / counts.sum()
    return max(0.0, -float((share * np.log2(share)).sum()))


def gini(counts: np.ndarray) -> float:
    """Gini coefficient of non-negative counts [K]: 0 when all are equal, 1 - 1/K when one code holds everything.

    FORGE (Fu et al., 2025, arXiv:2509.20904) proposes it as a proxy for the quality of semantic IDs.
    """
    k = len(counts)
    return float(2 * (np.arange(1, k + 1) * np.sort(counts)).sum() / (k * counts.sum()) - (k + 1) / k)
