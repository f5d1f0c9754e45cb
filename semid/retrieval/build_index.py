"""Builds the inverted index of a semantic-ID table."""

from pathlib import Path

from semid.retrieval.inverted import InvertedIndex
from semid.semantic_ids.table import read_semantic_ids


def index_semantic_ids(table_path: str | Path, codes_path: str | Path) -> None:
    """Write the inverted index of a semantic-ID table; `codes_path` is the first of its three files."""
    InvertedIndex.build(read_semantic_ids(table_path)).save(Path(codes_path).parent)
