"""The choice of the query: fitted once a dataset, on the validation split, shared by all its tokenizers."""

import json
from dataclasses import replace
from pathlib import Path

from semid.errors import InputError
from semid.evaluation.benchmark import Benchmark, Row
from semid.evaluation.catalogue import rank_in_catalogue
from semid.evaluation.metrics import expected_metric
from semid.evaluation.settings import FIT, EvaluationSettings

# of a seeded sample
MAX_USERS = 5000
DECAYS = (0.5, 0.7, 0.9)
HISTORIES = (5, 10, 20)
# the first decides, the second where the first is the same
FITTED_METRICS = ("recall@10", "ndcg@10")
CHOICE = ("query", "decay", "history")


def query_grid() -> list[EvaluationSettings]:
    """The queries to choose from, the simplest first; all on the validation split."""
    grid = [EvaluationSettings(split="valid", query=query) for query in ("last", "mean")]
    decayed = EvaluationSettings(split="valid", query="decay")
    return grid + [replace(decayed, decay=decay, history=history) for decay in DECAYS for history in HISTORIES]


def fit_query(benchmark: Benchmark) -> dict[str, object]:
    """Rank the targets of the validation split among all unseen items under every query of :func:`query_grid`.

    The benchmark has queries of the split `valid`. Returns what `query.json` holds: the best `query` by Recall@10, then
    NDCG@10, then its place in the grid, with its `decay` and `history`, and under `grid` the figures of every one.
    """
    queries = benchmark.queries
    grid: list[Row] = []
    for settings in query_grid():
        ranks = rank_in_catalogue(replace(benchmark, settings=settings), with_lists=False)
        figures = {
            metric: float(expected_metric(metric, ranks.greater, ranks.equal, ranks.found).mean())
            for metric in FITTED_METRICS
        }
        grid.append({**_choice(settings), "name": settings.query_name, **figures})
    best = max(grid, key=lambda row: [row[metric] for metric in FITTED_METRICS])
    return {
        **{key: best[key] for key in CHOICE},
        "split": "valid",
        "users": queries.num_users,
        "queries": len(queries),
        "grid": grid,
    }


def fitted_settings(settings: EvaluationSettings, path: str | Path | None) -> EvaluationSettings:
    """`settings`, with the choice that the `query.json` at `path` holds in place of the query `fit`.

    Other queries stay as they are. Raises InputError for a file that is missing or holds no choice.
    """
    if settings.query != FIT:
        return settings
    if path is None:
        raise InputError("evaluation: query fit needs the query.json of the dataset")
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        return replace(settings, **{key: content[key] for key in CHOICE})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} holds no choice of the query ({error!r}): delete it and fit again") from error


def _choice(settings: EvaluationSettings) -> Row:
    return {key: getattr(settings, key) for key in CHOICE}
