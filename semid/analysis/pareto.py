"""`results/pareto.csv`: recall against candidates and time, for tokenizers and for indexes without semantic IDs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from semid.evaluation.table import read_table, write_table
from semid.evaluation.target_ranks import RANDOM

Row = dict[str, str | int | float]

COPIED = (
    "dataset",
    "tokenizer",
    "candidates",
    "budget",
    "rerank",
    "bits",
    "avg_cand_size",
    "recall@10",
    "recall@10_low",
    "recall@10_high",
    "query_us",
)
FRONTS = {"on_candidates_front": "avg_cand_size", "on_time_front": "query_us"}
PARETO_COLUMNS = (*COPIED, *FRONTS)


def pareto_rows(evaluated: Sequence[Mapping[str, str]]) -> list[Row]:
    """Return the rows of `pareto.csv` from rows of tokenizers and peers of any datasets; random codes are left out.

    `on_candidates_front` and `on_time_front` are 1 if a row is Pareto-optimal: no other row of its dataset is at least
    as good in Recall@10 and in cost, candidates or time, and better in one of the two.
    """
    kept = [row for row in evaluated if not row["candidates"].startswith(RANDOM)]
    rows: list[Row] = []
    for dataset in dict.fromkeys(row["dataset"] for row in kept):
        of_dataset = [row for row in kept if row["dataset"] == dataset]
        recall = np.array([float(row["recall@10"]) for row in of_dataset])
        fronts = {
            name: on_front(np.array([float(row[cost]) for row in of_dataset]), recall) for name, cost in FRONTS.items()
        }
        for place, row in enumerate(of_dataset):
            copied = {name: row[name] for name in COPIED}
            rows.append({**copied, **{name: int(is_on[place]) for name, is_on in fronts.items()}})
    return rows


def on_front(cost: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Return bool [n]: no other point costs at most as much and gains at least as much, one of the two strictly."""
    no_worse = (cost[:, None] <= cost) & (gain[:, None] >= gain)
    better = (cost[:, None] < cost) | (gain[:, None] > gain)
    return ~(no_worse & better).any(axis=0)


def write_pareto(tables: Sequence[str | Path], path: str | Path) -> None:
    """Write the rows of :func:`pareto_rows` of several tables of evaluations to `path`."""
    rows = [row for table in tables for row in read_table(table)]
    write_table(pareto_rows(rows), path, PARETO_COLUMNS)
