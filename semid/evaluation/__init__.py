"""Split tables, codes and vectors go in; ranks, expected metrics with intervals and the rows of the table come out.

Everything is ranked against a :class:`Benchmark`.
"""

from semid.evaluation.benchmark import Benchmark, Catalogue
from semid.evaluation.controls import Cooccurrence, evaluate_controls
from semid.evaluation.files import Evaluation, fitted_settings, open_benchmark
from semid.evaluation.peers import evaluate_peers
from semid.evaluation.queries import Queries, build_queries
from semid.evaluation.query_choice import fit_query
from semid.evaluation.ranks_file import RanksFile
from semid.evaluation.settings import EvaluationSettings
from semid.evaluation.table import TABLE_COLUMNS, collect_tables, format_table, write_table
from semid.evaluation.tokenizers import TokenizerCodes, evaluate_random_codes, evaluate_tokenizer
from semid.interactions import Interactions, read_interactions

__all__ = [
    "TABLE_COLUMNS",
    "Benchmark",
    "Catalogue",
    "Cooccurrence",
    "Evaluation",
    "EvaluationSettings",
    "Interactions",
    "Queries",
    "RanksFile",
    "TokenizerCodes",
    "build_queries",
    "collect_tables",
    "evaluate_controls",
    "evaluate_peers",
    "evaluate_random_codes",
    "evaluate_tokenizer",
    "fit_query",
    "fitted_settings",
    "format_table",
    "open_benchmark",
    "read_interactions",
    "write_table",
]
