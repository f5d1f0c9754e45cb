"""Split tables, codes and vectors go in; ranks, expected metrics with intervals and the rows of the tables come out.

Everything is ranked against a :class:`Benchmark`.
"""

from semid.evaluation.benchmark import Benchmark, Catalogue
from semid.evaluation.comparisons import COMPARISON_COLUMNS, comparison_rows, group_seeds
from semid.evaluation.controls import Cooccurrence, evaluate_controls
from semid.evaluation.files import open_benchmark
from semid.evaluation.fit import fit_query, fitted_settings
from semid.evaluation.outcomes import write_outcomes
from semid.evaluation.pareto import PARETO_COLUMNS, pareto_rows
from semid.evaluation.peers import evaluate_peers
from semid.evaluation.queries import Interactions, Queries, build_queries, read_interactions
from semid.evaluation.ranks import RanksFile
from semid.evaluation.settings import EvaluationSettings
from semid.evaluation.slices import SLICE_COLUMNS
from semid.evaluation.table import TABLE_COLUMNS, collect_tables, format_table, write_table
from semid.evaluation.tokenizers import TokenizerCodes, evaluate_random_codes, evaluate_tokenizer

__all__ = [
    "COMPARISON_COLUMNS",
    "PARETO_COLUMNS",
    "SLICE_COLUMNS",
    "TABLE_COLUMNS",
    "Benchmark",
    "Catalogue",
    "Cooccurrence",
    "EvaluationSettings",
    "Interactions",
    "Queries",
    "RanksFile",
    "TokenizerCodes",
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
    "open_benchmark",
    "pareto_rows",
    "read_interactions",
    "write_outcomes",
    "write_table",
]
