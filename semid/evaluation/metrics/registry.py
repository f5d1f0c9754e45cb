"""The metrics there are. The columns of the tables follow from them, in this order."""

from semid.evaluation.metrics.metric import GainMetric, ListMetric
from semid.registries import load

# import strings of tuples of metrics, a family each; all of them are loaded
_LOADED = (
    "semid.evaluation.metrics.recall:RECALL",
    "semid.evaluation.metrics.ndcg:NDCG",
    "semid.evaluation.metrics.mrr:MRR",
    "semid.evaluation.metrics.coverage:COVERAGE",
)

_ALL: tuple[GainMetric | ListMetric, ...] = tuple(metric for family in _LOADED for metric in load(family))
METRICS = {metric.name: metric for metric in _ALL if isinstance(metric, GainMetric)}
# of a target beyond this rank nothing needs to be known
DEEPEST = max(metric.cutoff for metric in METRICS.values())
LIST_METRICS = {metric.name: metric for metric in _ALL if isinstance(metric, ListMetric)}
