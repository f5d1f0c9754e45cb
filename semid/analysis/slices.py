"""`slices.csv`: metrics by the popularity of the target, by the length of the history, and without tied timestamps."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from semid.evaluation.files import Evaluation
from semid.evaluation.queries import Queries
from semid.evaluation.table import write_table
from semid.evaluation.target_ranks import Ranks
from semid.statistics.bootstrap import bootstrap_intervals

Row = dict[str, str | int | float]

# A history of at most this many items is short.
SHORT_HISTORY = 5
POPULARITY = ("head", "middle", "tail")
SLICE_METRICS = ("recall@10", "ndcg@10")
# The columns that say whose ranks these are; a row of the evaluation has them, too.
WHOSE = ("dataset", "tokenizer", "seed", "candidates", "budget", "rerank")
SLICE_COLUMNS = (
    *WHOSE,
    "slice",
    "users",
    "queries",
    *(f"{metric}{end}" for metric in SLICE_METRICS for end in ("", "_low", "_high")),
)


def query_slices(queries: Queries, training_counts: np.ndarray) -> dict[str, np.ndarray]:
    """Return bool [queries] by the name of the slice; training_counts: integers [items], interactions in training.

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
    """Return int64 [items]: the third of the training interactions that each item belongs to, by popularity.

    0 is the head: the most popular items, which together have the first third of the interactions; 1 is the middle,
    2 the tail; -1 is cold: an item without interactions. Items with equal counts are never split: they belong to the
    third that holds the midpoint of their interactions.
    """
    counts, place, items = np.unique(training_counts, return_inverse=True, return_counts=True)
    interactions = counts * items
    total = interactions.sum()
    above = total - np.cumsum(interactions)
    third = 3 * (2 * above + interactions) // max(2 * total, 1)
    return np.where(counts > 0, third, -1)[place]


def slice_rows(
    queries: Queries, slices: Mapping[str, np.ndarray], ranks: Ranks, resamples: int = 1000, seed: int = 0
) -> list[Row]:
    """Return a row for each slice of :func:`query_slices`: its users and queries, and metrics with 95 % intervals.

    A slice without queries has no metrics. The caller adds the columns that say whose ranks these are.
    """
    values = np.column_stack([ranks.metric(metric) for metric in SLICE_METRICS])
    rows = []
    for name, chosen in slices.items():
        user, values_of_slice = queries.user[chosen], values[chosen]
        row: Row = {"slice": name, "users": len(np.unique(user)), "queries": len(user)}
        if len(user):
            means = values_of_slice.mean(axis=0)
            low, high = bootstrap_intervals(values_of_slice, user, resamples, seed)
            for column, metric in enumerate(SLICE_METRICS):
                row[metric] = float(means[column])
                row[f"{metric}_low"], row[f"{metric}_high"] = float(low[column]), float(high[column])
        rows.append(row)
    return rows


def write_slices(evaluation: Evaluation, path: str | Path) -> None:
    """Write the slices of every strategy of an evaluation to `path`."""
    benchmark = evaluation.benchmark
    queries, settings = benchmark.queries, benchmark.settings
    slices = query_slices(queries, benchmark.items.training_counts)
    rows = []
    for row, ranks in zip(evaluation.rows, evaluation.ranks.values(), strict=True):
        whose = {name: row[name] for name in WHOSE if name in row}
        rows += [{**whose, **part} for part in slice_rows(queries, slices, ranks, settings.resamples, settings.seed)]
    write_table(rows, path, SLICE_COLUMNS)
