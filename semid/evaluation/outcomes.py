"""What an evaluation leaves behind: rows of the table, ranks of every query, and slices."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from semid.evaluation.evaluate import EvaluationSettings, Row
from semid.evaluation.queries import Queries
from semid.evaluation.ranks import Ranks, Strategy, write_ranks
from semid.evaluation.slices import SLICE_COLUMNS, query_slices, slice_rows
from semid.evaluation.table import write_table


class Paths(Protocol):
    """Where the three files go."""

    table: str
    ranks: str
    slices: str


def write_outcomes(
    paths: Paths,
    rows: Sequence[Row],
    ranks: Mapping[Strategy, Ranks],
    queries: Queries,
    training_counts: np.ndarray,
    settings: EvaluationSettings,
    table_only: Sequence[Row] = (),
) -> None:
    """Write `offline_eval.csv`, `ranks.parquet` and `slices.csv`; rows and ranks are in one order.

    training_counts: integers [items], interactions in training. `table_only` are more rows for the first file.
    """
    slices = query_slices(queries, training_counts)
    shared = ("dataset", "tokenizer", "seed", "candidates", "budget", "rerank")
    sliced = [
        {**{name: row[name] for name in shared if name in row}, **part}
        for row, own in zip(rows, ranks.values(), strict=True)
        for part in slice_rows(queries, slices, own, settings.resamples, settings.seed)
    ]
    write_table(sliced, paths.slices, SLICE_COLUMNS)
    write_ranks(paths.ranks, ranks)
    write_table([*rows, *table_only], paths.table)
