"""Slices of the queries: by the popularity of the target, by the length of the history, by tied timestamps."""

from collections.abc import Mapping

import numpy as np

from semid.evaluation.bootstrap import bootstrap_intervals
from semid.evaluation.metrics import expected_metric
from semid.evaluation.queries import Queries
from semid.evaluation.ranks import Ranks

# items of the longest history that is called short
SHORT_HISTORY = 5
POPULARITY = ("head", "middle", "tail")
SLICE_METRICS = ("recall@10", "ndcg@10")
SLICE_COLUMNS = (
    *("dataset", "tokenizer", "seed", "candidates", "budget", "rerank", "slice", "users", "queries"),
    *(f"{metric}{end}" for metric in SLICE_METRICS for end in ("", "_low", "_high")),
)


def query_slices(queries: Queries, training_counts: np.ndarray) -> dict[str, np.ndarray]:
    """Bool [queries] by the name of the slice; training_counts: integers [items], interactions in training.

    - `all`
    - `head`, `middle`, `tail`, `cold`: see :func:`popularity_of_items`
    - `short_history`, `long_history`: at most SHORT_HISTORY items, or more
    - `untied`: the target and the last item before it have different timestamps
    """
    popularity = popularity_of_items(training_counts)[queries.target]
    short = queries.stop - queries.start <= SHORT_HISTORY
    return {
        "all": np.ones(len(queries), bool),
        **{name: popularity == third for third, name in enumerate(POPULARITY)},
        "cold": popularity == -1,
        "short_history": short,
        "long_history": ~short,
        "untied": queries.untied,
    }


def popularity_of_items(training_counts: np.ndarray) -> np.ndarray:
    """Int64 [items]: which third of the training interactions an item's own belong to when items go by popularity.

    0, head: the most popular items, which together have the first third of the interactions; 1, middle; 2, tail;
    -1, cold: no interaction. Items of one count are of one third: that in which the middle of their interactions lies.
    """
    counts, place, items = np.unique(training_counts, return_inverse=True, return_counts=True)
    interactions = counts * items
    total = interactions.sum()
    above = total - np.cumsum(interactions)
    third = 3 * (2 * above + interactions) // max(2 * total, 1)
    return np.where(counts > 0, third, -1)[place]


def slice_rows(
    queries: Queries, slices: Mapping[str, np.ndarray], ranks: Ranks, resamples: int = 1000, seed: int = 0
) -> list[dict[str, str | int | float]]:
    """A row a slice of :func:`query_slices`: its users and queries, and metrics with 95 % intervals over users.

    A slice without queries has no metrics. The caller adds the columns that say whose ranks these are.
    """
    values = np.column_stack(
        [expected_metric(metric, ranks.greater, ranks.equal, ranks.found) for metric in SLICE_METRICS]
    )
    rows = []
    for name, chosen in slices.items():
        user, own = queries.user[chosen], values[chosen]
        row: dict[str, str | int | float] = {"slice": name, "users": len(np.unique(user)), "queries": len(user)}
        if len(user):
            means, (low, high) = own.mean(axis=0), bootstrap_intervals(own, user, resamples, seed)
            for column, metric in enumerate(SLICE_METRICS):
                row[metric] = float(means[column])
                row[f"{metric}_low"], row[f"{metric}_high"] = float(low[column]), float(high[column])
        rows.append(row)
    return rows
