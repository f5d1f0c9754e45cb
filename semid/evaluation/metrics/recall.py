"""Recall@K: the share of queries whose target is among the first K."""

import numpy as np

from semid.evaluation.metrics.metric import KS, GainMetric


def hit(rank: np.ndarray) -> np.ndarray:
    """1 for every rank."""
    return np.ones(len(rank))


RECALL = tuple(GainMetric(f"recall@{k}", hit, k, f"share of queries whose target is among the first {k}") for k in KS)
