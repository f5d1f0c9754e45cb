"""Ranking metrics of one relevant item among scored ones, as their expectation over the orders of tied items."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

KS = (1, 5, 10, 20, 50, 100)
MAX_RANK = 100


@dataclass(frozen=True)
class Metric:
    """A metric that depends on the rank of the one relevant item: `gain(rank)` up to rank `cutoff`, then 0."""

    name: str
    gain: Callable[[np.ndarray], np.ndarray]
    cutoff: int
    description: str


def _hit(rank: np.ndarray) -> np.ndarray:
    return np.ones(len(rank))


def _discount(rank: np.ndarray) -> np.ndarray:
    return 1 / np.log2(rank + 1)


def _reciprocal(rank: np.ndarray) -> np.ndarray:
    return 1 / rank


METRICS = {
    metric.name: metric
    for metric in (
        *(Metric(f"recall@{k}", _hit, k, f"share of queries whose target is among the first {k}") for k in KS),
        *(Metric(f"ndcg@{k}", _discount, k, f"1 / log2(rank + 1) of a target among the first {k}") for k in KS),
        Metric("mrr", _reciprocal, MAX_RANK, f"1 / rank of a target among the first {MAX_RANK}"),
    )
}


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
