"""Item coverage (Ge, Delgado-Battenfeld and Jannach, 2010): how much of the catalogue anybody is shown."""

import numpy as np

from semid.evaluation.metrics.metric import ListMetric

DEPTH = 10


def covered_share(ranked: np.ndarray, num_items: int, training_counts: np.ndarray) -> float:
    """Share of the catalogue's items that stand in at least one of the ranked lists [queries, depth]."""
    return float(np.count_nonzero(np.bincount(ranked[ranked >= 0], minlength=num_items)) / num_items)


COVERAGE = (
    ListMetric(
        f"item_coverage@{DEPTH}",
        covered_share,
        DEPTH,
        f"share of the catalogue's items that are among the first {DEPTH} of at least one query",
    ),
)
