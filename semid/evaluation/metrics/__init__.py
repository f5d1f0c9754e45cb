"""Metrics: the place of each query's target, or the first items of all queries, come in; numbers come out."""

from semid.evaluation.metrics.expected import expected_metric
from semid.evaluation.metrics.metric import HEADLINE, KS, GainMetric, ListMetric
from semid.evaluation.metrics.registry import DEEPEST, LIST_METRICS, METRICS

__all__ = [
    "DEEPEST",
    "HEADLINE",
    "KS",
    "LIST_METRICS",
    "METRICS",
    "GainMetric",
    "ListMetric",
    "expected_metric",
]
