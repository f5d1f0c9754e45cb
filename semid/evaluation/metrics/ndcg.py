"""NDCG@K (Järvelin and Kekäläinen, 2002), of one relevant item: the ideal gain is 1."""

import numpy as np

from semid.evaluation.metrics.metric import KS, GainMetric


def discount(rank: np.ndarray) -> np.ndarray:
    """1 / log2(rank + 1)."""
    return 1 / np.log2(rank + 1)


NDCG = tuple(GainMetric(f"ndcg@{k}", discount, k, f"1 / log2(rank + 1) of a target among the first {k}") for k in KS)
