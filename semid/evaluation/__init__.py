"""Split tables, codes and vectors go in; ranks, expected metrics with intervals and the rows of the tables come out."""

from semid.evaluation.comparisons import COMPARISON_COLUMNS, comparison_rows, group_seeds
from semid.evaluation.controls import Cooccurrence, evaluate_controls
from semid.evaluation.evaluate import CodeSpace, EvaluationSettings, evaluate_random_codes, evaluate_tokenizer
from semid.evaluation.fit import fit_query, fitted_settings
from semid.evaluation.outcomes import write_outcomes
from semid.evaluation.pareto import PARETO_COLUMNS, pareto_rows
from semid.evaluation.peers import evaluate_peers
from semid.evaluation.queries import Interactions, Queries, build_queries, read_interactions
from semid.evaluation.ranks import RanksFile
from semid.evaluation.slices import SLICE_COLUMNS
from semid.evaluation.table import TABLE_COLUMNS, collect_tables, format_table, write_table

__all__ = [
    "COMPARISON_COLUMNS",
    "PARETO_COLUMNS",
    "SLICE_COLUMNS",
    "TABLE_COLUMNS",
    "CodeSpace",
    "Cooccurrence",
    "EvaluationSettings",
    "Interactions",
    "Queries",
    "RanksFile",
    "build_queries",
    "collect_tables",
    "comparison_rows",
    "evaluate_controls",
    "evaluate_peers",
    "evaluate_random_codes",
    "evaluate_tokenizer",
    "fit_query",
    "fitted_settings",
    "format_table",
    "group_seeds",
    "pareto_rows",
    "read_interactions",
    "write_outcomes",
    "write_table",
]
