"""Paths of categories as numbers."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semid.semantic_ids import numbered_categories as module
from semid.semantic_ids.numbered_categories import numbered_categories

PATHS = [["Music", "Guitars", "Acoustic"], None, ["Music", "Drums"], [], ["Books"], ["Music", "Guitars"]]
# by name: Books 1, Music 2; Drums 1, Guitars 2; Acoustic 1
CODES = [[2, 2, 1], [0, 0, 0], [2, 1, 0], [0, 0, 0], [1, 0, 0], [2, 2, 0]]


def write_items(path: Path, paths: list[list[str] | None]) -> Path:
    pq.write_table(pa.table({"categories": pa.array(paths, pa.list_(pa.string()))}), path, row_group_size=4)
    return path


@pytest.mark.parametrize("rows_at_once", [1, 2, 100])
def test_a_level_is_a_step_of_the_path(tmp_path: Path, rows_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS_AT_ONCE", rows_at_once)
    codes = numbered_categories(write_items(tmp_path / "items.parquet", PATHS))
    np.testing.assert_array_equal(codes, CODES)
    assert codes.dtype == np.uint8


def test_codes_do_not_depend_on_the_order_of_the_items(tmp_path: Path) -> None:
    codes = numbered_categories(write_items(tmp_path / "items.parquet", PATHS[::-1]))
    np.testing.assert_array_equal(codes, CODES[::-1])


def test_paths_are_cut_at_four_levels(tmp_path: Path) -> None:
    items = write_items(tmp_path / "items.parquet", [list("abcde"), list("abcdf")])
    assert numbered_categories(items).tolist() == [[1, 1, 1, 1], [1, 1, 1, 1]]
    assert numbered_categories(items, max_levels=5)[:, 4].tolist() == [1, 2]


def test_a_catalogue_without_categories_is_one_bucket(tmp_path: Path) -> None:
    assert numbered_categories(write_items(tmp_path / "items.parquet", [None, [], None])).tolist() == [[0], [0], [0]]


def test_categories_may_be_more_than_a_byte_counts(tmp_path: Path) -> None:
    codes = numbered_categories(write_items(tmp_path / "items.parquet", [[f"{n:03}"] for n in range(300)]))
    np.testing.assert_array_equal(codes[:, 0], np.arange(1, 301))
    assert codes.dtype == np.uint16


@pytest.mark.parametrize("rows_at_once", [1, 2, 100])
def test_of_core_items_alone_the_codes_are_those_of_a_table_without_others(
    tmp_path: Path, rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS_AT_ONCE", rows_at_once)
    in_core = [False, True, True, False, True, False]
    paths = pa.array(PATHS, pa.list_(pa.string()))
    pq.write_table(pa.table({"categories": paths, "in_core": in_core}), tmp_path / "all.parquet", row_group_size=2)
    alone = numbered_categories(write_items(tmp_path / "core.parquet", [PATHS[1], PATHS[2], PATHS[4]]))
    np.testing.assert_array_equal(numbered_categories(tmp_path / "all.parquet", core_only=True), alone)
