"""The metrics there are. The columns of the tables follow from them, in this order."""

from semid.evaluation.metrics.metric import GainMetric, ListMetric
from semid.registries import load

# Import strings of tuples of metrics, one for each family. All of them are loaded, so that digests of code follow this
# table by its name: a new metric makes evaluations anew.
_LOADED = (
    "semid.evaluation.metrics.recall:RECALL",
    "semid.evaluation.metrics.ndcg:NDCG",
    "semid.evaluation.metrics.mrr:MRR",
    "semid.evaluation.metrics.coverage:COVERAGE",
)

ALL_METRICS: tuple[GainMetric | ListMetric, ...] = tuple(metric for family in _LOADED for metric in load(family))
METRICS = {metric.name: metric for metric in ALL_METRICS if isinstance(metric, GainMetric)}
# the largest cutoff: ranks beyond it need not be exact
MAX_CUTOFF = max(metric.cutoff for metric in METRICS.values())
LIST_METRICS = {metric.name: metric for metric in ALL_METRICS if isinstance(metric, ListMetric)}
