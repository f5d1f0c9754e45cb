"""Semantic IDs: the codes of all items come in; code files, the semantic-ID table and exports go out.

The names below are imported when they are first asked for: the registry of export formats, which the settings and the
rules read, needs neither numpy nor torch.
"""

from typing import Any

from semid.registries import load_public

_PUBLIC = {
    "EXPORTS": "semid.semantic_ids.exports.registry:EXPORTS",
    "ExportFiles": "semid.semantic_ids.exports.source:ExportFiles",
    "code_strings": "semid.semantic_ids.codes:code_strings",
    "encode_items": "semid.semantic_ids.encode:encode_items",
    "export_semantic_ids": "semid.semantic_ids.exports.export:export_semantic_ids",
    "export_table": "semid.semantic_ids.table:export_table",
    "import_codes": "semid.semantic_ids.external:import_codes",
    "open_codes": "semid.semantic_ids.codes:open_codes",
    "read_external_codes": "semid.semantic_ids.external_files:read_external_codes",
    "read_semantic_ids": "semid.semantic_ids.table:read_semantic_ids",
    "write_codes": "semid.semantic_ids.codes:write_codes",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    return load_public(__name__, _PUBLIC, name)
