"""Paths of categories as semantic IDs."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semid.errors import InputError
from semid.naming import TokenizerName, part_name
from semid.semantic_ids import open_codes
from semid.semantic_ids.category_codes import CategoryCodes
from semid.semantic_ids.fit_external import codebook_sizes
from semid.semantic_ids.given_codes import make_codes

# Music has 4 items, Books and Éditions 2 each. Under Music, Guitars have 2 and Drums 1; Books have Guitars alone.
TREE: list[tuple[list[str] | None, list[int]]] = [
    (["Music", "Guitars", "Acoustic"], [1, 1, 1]),
    (["Éditions"], [3, 0, 0]),
    (["Music", "Drums"], [1, 2, 0]),
    ([], [0, 0, 0]),
    (["Books", "Guitars", "Electric"], [2, 1, 2]),
    (["Music", "Guitars"], [1, 1, 0]),
    (["Books", "Guitars", "Acoustic"], [2, 1, 1]),
    (None, [0, 0, 0]),
    (["Music"], [1, 0, 0]),
    (["Éditions", "吉他"], [3, 1, 0]),
]
PATHS, CODES = [path for path, _ in TREE], [codes for _, codes in TREE]


def write_items(path: Path, paths: list[list[str] | None], in_core: list[bool] | None = None) -> Path:
    columns = {"categories": pa.array(paths, pa.list_(pa.string())), "in_core": in_core or [True] * len(paths)}
    pq.write_table(pa.table(columns), path, row_group_size=4)
    return path


def numbered(folder: Path, paths: list[list[str] | None], max_levels: int = 4) -> list[list[int]]:
    return CategoryCodes(max_levels=max_levels).of_items(write_items(folder / "items.parquet", paths)).tolist()


def test_siblings_are_numbered_by_count_then_by_name(tmp_path: Path) -> None:
    assert numbered(tmp_path, PATHS) == CODES
    assert numbered(tmp_path, PATHS[::-1]) == CODES[::-1]


def test_codes_are_the_same_in_any_number_of_shards(tmp_path: Path) -> None:
    items = SimpleNamespace(catalogue=write_items(tmp_path / "items.parquet", PATHS))
    for shards in (1, 3):
        parts = [tmp_path / part_name(shard, shards) for shard in range(shards)]
        for shard, part in enumerate(parts):
            make_codes("category", {"max_levels": 4}, items, shard, shards, part)
        codes = open_codes(parts)
        assert codes[:].tolist() == CODES
        assert codes.dtype == np.uint16
    # one more than the most categories under one path
    assert codebook_sizes(TokenizerName.parse("category"), codes) == (4, 3, 3)
    assert codebook_sizes(TokenizerName.parse("external_mine"), codes) == (4, 4, 4)
    assert codebook_sizes(TokenizerName.parse("random_3x9"), codes) == (9, 9, 9)


def test_paths_are_cut_at_the_most_levels(tmp_path: Path) -> None:
    assert numbered(tmp_path, PATHS, max_levels=2) == [codes[:2] for codes in CODES]
    assert numbered(tmp_path, [list("abcdef"), list("abcdeg")]) == [[1, 1, 1, 1]] * 2
    assert numbered(tmp_path, [list("abcdef"), list("abcdeg")], max_levels=6) == [[1] * 6, [1, 1, 1, 1, 1, 2]]


def test_codes_of_core_items_are_the_same_beside_others(tmp_path: Path) -> None:
    # others make Books the largest, bring a category whose name is the first, and paths that are deeper
    others = [["Books"], ["Books"], ["Books", "Guitars", "Electric"], ["Books", "Guitars", "Electric"], ["Art"], None]
    deeper = [["Music", "Drums", "Snare", "Wood"]]
    paths = [*others, *PATHS, *deeper]
    in_core = [False] * len(others) + [True] * len(PATHS) + [False]
    codes = CategoryCodes().of_items(write_items(tmp_path / "items.parquet", paths, in_core))
    assert codes[in_core].tolist() == CODES
    assert codes[~np.array(in_core)].tolist() == [[2, 0, 0]] * 2 + [[2, 1, 2]] * 2 + [[4, 0, 0], [0, 0, 0], [1, 2, 1]]


@pytest.mark.parametrize("paths", [[None, [], None], [[], []]])
def test_a_dataset_without_categories_is_refused_in_a_sentence(tmp_path: Path, paths: list) -> None:
    items = write_items(tmp_path / "items.parquet", paths)
    with pytest.raises(InputError, match=r"items\.parquet: no item that is evaluated has categories, .* leave"):
        CategoryCodes().of_items(items)


def test_an_impossible_number_of_levels_is_refused() -> None:
    with pytest.raises(InputError, match="max_levels must be"):
        CategoryCodes(max_levels=0)
