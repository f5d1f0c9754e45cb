"""Split tables, codes and vectors go in; ranks, expected metrics with intervals and the rows of the tables come out."""

from semid.evaluation.comparisons import COMPARISON_COLUMNS, comparison_rows, group_seeds
from semid.evaluation.evaluate import CodeSpace, EvaluationSettings, evaluate_controls, evaluate_tokenizer
from semid.evaluation.outcomes import write_outcomes
from semid.evaluation.queries import Interactions, Queries, build_queries, read_interactions
from semid.evaluation.ranks import RanksFile
from semid.evaluation.slices import SLICE_COLUMNS
from semid.evaluation.table import TABLE_COLUMNS, collect_tables, format_table, write_table

__all__ = [
    "COMPARISON_COLUMNS",
    "SLICE_COLUMNS",
    "TABLE_COLUMNS",
    "CodeSpace",
    "EvaluationSettings",
    "Interactions",
    "Queries",
    "RanksFile",
    "build_queries",
    "collect_tables",
    "comparison_rows",
    "evaluate_controls",
    "evaluate_tokenizer",
    "format_table",
    "group_seeds",
    "read_interactions",
    "write_outcomes",
    "write_table",
]
