"""`results/pareto.csv`: what candidates and time buy, for tokenizers and for indexes that need no semantic IDs."""

from collections.abc import Mapping, Sequence

import numpy as np

from semid.evaluation.ranks import RANDOM

Row = dict[str, str | int | float]

COPIED = (
    *("dataset", "tokenizer", "candidates", "budget", "rerank", "bits", "avg_cand_size"),
    *("recall@10", "recall@10_low", "recall@10_high", "query_us"),
)
FRONTS = {"on_candidates_front": "avg_cand_size", "on_time_front": "query_us"}
PARETO_COLUMNS = (*COPIED, *FRONTS)


def pareto_rows(evaluations: Sequence[Mapping[str, str]]) -> list[Row]:
    """Rows of `results/pareto.csv` from rows of tokenizers and peers, of any datasets; random codes are left out.

    `on_candidates_front` and `on_time_front` are 1 where no other row of the dataset has at least its Recall@10 for
    fewer candidates or less time, or more Recall@10 for as much.
    """
    kept = [row for row in evaluations if not row["candidates"].startswith(RANDOM)]
    rows: list[Row] = []
    for dataset in dict.fromkeys(row["dataset"] for row in kept):
        own = [row for row in kept if row["dataset"] == dataset]
        recall = np.array([float(row["recall@10"]) for row in own])
        fronts = {name: on_front(np.array([float(row[cost]) for row in own]), recall) for name, cost in FRONTS.items()}
        for place, row in enumerate(own):
            rows.append({name: row[name] for name in COPIED} | {name: int(at[place]) for name, at in fronts.items()})
    return rows


def on_front(cost: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Bool [n]: no other point costs at most as much and gains at least as much, one of the two strictly."""
    no_worse = (cost[:, None] <= cost) & (gain[:, None] >= gain)
    better = (cost[:, None] < cost) | (gain[:, None] > gain)
    return ~(no_worse & better).any(axis=0)
