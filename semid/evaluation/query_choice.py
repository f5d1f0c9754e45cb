"""The choice of the query: made once per dataset, on its validation split, and shared by all tokenizers."""

from dataclasses import replace
from pathlib import Path

import torch

from semid.evaluation.benchmark import Benchmark, Row
from semid.evaluation.engine import open_engine
from semid.evaluation.files import CHOICE, BenchmarkFiles, BenchmarkOptions, open_benchmark
from semid.evaluation.settings import EvaluationSettings
from semid.evaluation.whole_catalogue import SearchEngine, rank_in_catalogue
from semid.files import write_json

# The choice is made with at most this many users, drawn with the seed.
MAX_USERS = 5000
DECAYS = (0.5, 0.7, 0.9)
HISTORIES = (5, 10, 20)
# The first metric decides; the second does where the first is the same.
FITTED_METRICS = ("recall@10", "ndcg@10")


def query_grid() -> list[EvaluationSettings]:
    """Return the queries to choose from, the simplest first; all are of the validation split."""
    grid = [EvaluationSettings(split="valid", query=query) for query in ("last", "mean")]
    decayed = EvaluationSettings(split="valid", query="decay")
    return grid + [replace(decayed, decay=decay, history=history) for decay in DECAYS for history in HISTORIES]


def fit_query(benchmark: Benchmark, engine: SearchEngine | None = None) -> dict[str, object]:
    """Rank the targets of the validation split among all unseen items under every query of :func:`query_grid`.

    The benchmark has queries of the split `valid`. `engine` fetches items, as in :func:`rank_in_catalogue`; without one
    the exact search does. Returns what `query.json` holds: the best `query` by Recall@10, then
    by NDCG@10, then by its place in the grid, with its `decay` and `history`, and under `grid` the figures of all.
    """
    queries = benchmark.queries
    grid: list[Row] = []
    for settings in query_grid():
        ranks = rank_in_catalogue(replace(benchmark, settings=settings), engine, with_lists=False)
        figures = {metric: float(ranks.metric(metric).mean()) for metric in FITTED_METRICS}
        choice: Row = {key: getattr(settings, key) for key in CHOICE}
        grid.append({**choice, "name": settings.query_name, **figures})
    best = max(grid, key=lambda row: [row[metric] for metric in FITTED_METRICS])
    return {
        **{key: best[key] for key in CHOICE},
        "split": "valid",
        "users": queries.num_users,
        "queries": len(queries),
        "grid": grid,
    }


def write_query_choice(files: BenchmarkFiles, options: BenchmarkOptions, path: str | Path, threads: int = 1) -> None:
    """Choose the query of a dataset and write `query.json`; of the settings in `options` the seed counts.

    `files.get("faiss")` are the files of an index, where there is one; the exact search takes its place.
    """
    torch.set_num_threads(threads)
    settings = {"split": "valid", "max_users": MAX_USERS, "seed": options.settings["seed"]}
    benchmark, _ = open_benchmark(files, replace(options, settings=settings))
    write_json(path, fit_query(benchmark, open_engine(files.get("faiss") or (), files.catalogue, threads)))
