"""Metrics: the rank of each query's target, or the first items of all queries, come in; numbers come out."""

from semid.evaluation.metrics.expected import expected_metric
from semid.evaluation.metrics.metric import HEADLINE, KS, GainMetric, ListMetric
from semid.evaluation.metrics.registry import ALL_METRICS, LIST_METRICS, MAX_CUTOFF, METRICS

__all__ = [
    "ALL_METRICS",
    "HEADLINE",
    "KS",
    "LIST_METRICS",
    "MAX_CUTOFF",
    "METRICS",
    "GainMetric",
    "ListMetric",
    "expected_metric",
]
