"""Split tables, codes and vectors go in; ranks, expected metrics with intervals and the rows of the table come out."""

from semid.evaluation.evaluate import EvaluationSettings, evaluate_controls, evaluate_tokenizer
from semid.evaluation.queries import Interactions, Queries, build_queries, read_interactions
from semid.evaluation.table import TABLE_COLUMNS, collect_tables, format_table, write_table

__all__ = [
    "TABLE_COLUMNS",
    "EvaluationSettings",
    "Interactions",
    "Queries",
    "build_queries",
    "collect_tables",
    "evaluate_controls",
    "evaluate_tokenizer",
    "format_table",
    "read_interactions",
    "write_table",
]
