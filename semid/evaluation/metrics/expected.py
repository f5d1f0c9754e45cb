"""Ranking metrics of one relevant item among scored ones, as their expectation over the orders of tied items."""

import numpy as np

from semid.evaluation.metrics.registry import METRICS


def expected_metric(metric: str, greater: np.ndarray, equal: np.ndarray, found: np.ndarray) -> np.ndarray:
    """float64 [queries]: the metric's mean over all orders of the items that score like the target.

    greater: items scored above the target; equal: items scored like it, the target among them (>= 1 where found);
    found: whether the target is among the ranked items; where it is not, the metric is 0. The target's rank is uniform
    on greater + 1 .. greater + equal, so the mean is a difference of cumulated gains (as in McSherry and Najork,
    "Computing information retrieval performance measures efficiently in the presence of tied scores", 2008).
    """
    chosen = METRICS[metric]
    cumulated = np.concatenate([[0.0], np.cumsum(chosen.gain(np.arange(1, chosen.cutoff + 1)))])
    first, last = (np.minimum(count, chosen.cutoff) for count in (greater, greater + equal))
    return np.where(found, (cumulated[last] - cumulated[first]) / np.maximum(equal, 1), 0.0)
