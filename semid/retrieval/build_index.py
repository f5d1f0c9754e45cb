"""Builds the inverted index of a semantic-ID table."""

from dataclasses import replace
from pathlib import Path

from semid.errors import InputError
from semid.items import CoreItems
from semid.retrieval.inverted import InvertedIndex
from semid.semantic_ids.table import read_semantic_ids


def index_semantic_ids(table_path: str | Path, items_path: str | Path, codes_path: str | Path) -> None:
    """Write the inverted index of the core items of a semantic-ID table; `codes_path` is the first of its three files.

    Items are named by their row in the table, which is that in `items.parquet`. Raises `InputError` when the two tables
    are not equally long.
    """
    codes, core = read_semantic_ids(table_path), CoreItems.read(items_path)
    if len(codes) != core.num_items:
        raise InputError(f"{table_path}: {len(codes)} items, but {core.num_items} in {items_path}; export again")
    index = InvertedIndex.build(codes if core.is_all else codes[core.rows])
    if not core.is_all:
        index = replace(index, items=core.rows[index.items])
    index.save(Path(codes_path).parent)
