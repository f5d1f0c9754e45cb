"""Semantic IDs: the codes of all items come in; code files and the semantic-ID table go out."""

from semid.semantic_ids.codes import code_strings, open_codes, write_codes
from semid.semantic_ids.encode import encode_items
from semid.semantic_ids.external import import_codes
from semid.semantic_ids.external_files import read_external_codes
from semid.semantic_ids.table import export_table, read_semantic_ids

__all__ = [
    "code_strings",
    "encode_items",
    "export_table",
    "import_codes",
    "open_codes",
    "read_external_codes",
    "read_semantic_ids",
    "write_codes",
]
