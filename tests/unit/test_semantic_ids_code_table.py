"""A file of semantic IDs is read whole, once for everybody: each item once, all of as many codes."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semid.errors import InputError
from semid.semantic_ids import ExportFiles, export_semantic_ids
from semid.semantic_ids.code_table import read_code_table
from semid.semantic_ids.repair import repair_table
from semid.semantic_ids.table import write_semantic_ids


def test_ids_and_codes_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    codes = np.array([[300, 2], [0, 70_000], [5, 5]])
    write_semantic_ids(tmp_path / "items.parquet", pa.array(["b", "a", "c"]), codes)
    table = read_code_table(tmp_path / "items.parquet")
    assert table.ids.to_pylist() == ["b", "a", "c"]
    assert table.codes.dtype == np.uint32
    np.testing.assert_array_equal(table.codes, codes)


def readers(path: Path, output: Path) -> list[object]:
    return [
        lambda: read_code_table(path),
        lambda: export_semantic_ids(ExportFiles(path), "grid", output / "export"),
        lambda: repair_table(path, output / "repair"),
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"item_id": [], "code_str": []}, "no semantic IDs here"),
        ({"item_id": ["a", "b", "a"], "code_str": ["1-2", "1-3", "1-4"]}, "more than one semantic ID for 'a'"),
    ],
)
def test_every_user_of_a_table_refuses_the_same(tmp_path: Path, rows: dict[str, list[str]], message: str) -> None:
    schema = pa.schema([("item_id", pa.string()), ("code_str", pa.string())])
    pq.write_table(pa.table(rows, schema=schema), tmp_path / "codes.parquet")
    for read in readers(tmp_path / "codes.parquet", tmp_path):
        with pytest.raises(InputError, match=f"codes.parquet: {message}"):
            read()


def test_items_of_other_numbers_of_codes_are_refused_whatever_batch_they_are_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("semid.semantic_ids.external_files.ROWS_AT_ONCE", 2)
    rows = {"item_id": ["a", "b", "c", "d"], "code_str": ["1-2", "1-3", "1-4-5", "1-4-6"]}
    pq.write_table(pa.table(rows), tmp_path / "codes.parquet")
    for read in readers(tmp_path / "codes.parquet", tmp_path):
        with pytest.raises(InputError, match="some items have 2 codes, others 3; expected as many for all"):
            read()
