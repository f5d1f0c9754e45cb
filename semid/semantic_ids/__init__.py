"""Semantic IDs: the codes of all items come in; code files, the semantic-ID table and scorecards go out."""

from semid.semantic_ids.categories import category_codes
from semid.semantic_ids.codebook import codebook_page
from semid.semantic_ids.codes import code_strings, open_codes, write_codes
from semid.semantic_ids.encode import encode_items
from semid.semantic_ids.external import import_codes, read_external_codes
from semid.semantic_ids.score import score_tokenizer
from semid.semantic_ids.scorecard import collect_scorecards, reconstruction_error, scorecard
from semid.semantic_ids.table import export_table, read_semantic_ids

__all__ = [
    "category_codes",
    "code_strings",
    "codebook_page",
    "collect_scorecards",
    "encode_items",
    "export_table",
    "import_codes",
    "open_codes",
    "read_external_codes",
    "read_semantic_ids",
    "reconstruction_error",
    "score_tokenizer",
    "scorecard",
    "write_codes",
]
