"""Mean reciprocal rank, of ranks up to 100."""

import numpy as np

from semid.evaluation.metrics.metric import MAX_RANK, GainMetric


def reciprocal(rank: np.ndarray) -> np.ndarray:
    """1 / rank."""
    return 1 / rank


MRR = (GainMetric("mrr", reciprocal, MAX_RANK, f"1 / rank of a target among the first {MAX_RANK}"),)
