"""Semantic IDs: the codes of all items come in; code files, the semantic-ID table and scorecards go out."""

from semid.semantic_ids.codebook import codebook_page
from semid.semantic_ids.codes import code_strings, read_codes, write_codes
from semid.semantic_ids.score import score_tokenizer
from semid.semantic_ids.scorecard import collect_scorecards, reconstruction_error, scorecard
from semid.semantic_ids.table import export_table

__all__ = [
    "code_strings",
    "codebook_page",
    "collect_scorecards",
    "export_table",
    "read_codes",
    "reconstruction_error",
    "score_tokenizer",
    "scorecard",
    "write_codes",
]
