"""What an evaluation leaves behind: rows of the table, ranks of every query, and slices."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from semid.evaluation.benchmark import Benchmark, Row
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
    benchmark: Benchmark,
    rows: Sequence[Row],
    ranks: Mapping[Strategy, Ranks],
    table_only: Sequence[Row] = (),
) -> None:
    """Write `offline_eval.csv`, `ranks.parquet` and `slices.csv`; rows and ranks are in one order.

    `table_only` are more rows for the first file.
    """
    queries, settings = benchmark.queries, benchmark.settings
    slices = query_slices(queries, benchmark.items.training_counts)
    shared = ("dataset", "tokenizer", "seed", "candidates", "budget", "rerank")
    sliced = [
        {**{name: row[name] for name in shared if name in row}, **part}
        for row, own in zip(rows, ranks.values(), strict=True)
        for part in slice_rows(queries, slices, own, settings.resamples, settings.seed)
    ]
    write_table(sliced, paths.slices, SLICE_COLUMNS)
    write_ranks(paths.ranks, ranks)
    write_table([*rows, *table_only], paths.table)
