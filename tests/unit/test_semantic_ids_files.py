"""Code files and the semantic-ID table."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semid.errors import InputError
from semid.semantic_ids import code_strings, export_table, open_codes, read_semantic_ids, write_codes
from semid.semantic_ids import table as table_module

CODES = np.array([[12, 7, 200, 3], [0, 0, 0, 0], [255, 1, 10, 11], [12, 7, 200, 3]])


def write_items(folder: Path, ids: list[str]) -> Path:
    pq.write_table(pa.table({"item_id": ids, "title": ids}), folder / "items.parquet", row_group_size=2)
    return folder / "items.parquet"


def write_parts(folder: Path, codes: np.ndarray, cuts: list[int], codebook_size: int = 256) -> list[Path]:
    paths = []
    for number, part in enumerate(np.split(codes, cuts)):
        paths.append(folder / "codes" / f"part-{number}.npy")
        write_codes(paths[-1], part, codebook_size)
    return paths


@pytest.mark.parametrize("cuts", [[], [1], [0, 2, 3, 4]])
def test_codes_of_all_parts_are_read_in_order(tmp_path: Path, cuts: list[int]) -> None:
    found = open_codes(write_parts(tmp_path, CODES, cuts))
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found[:], CODES)
    np.testing.assert_array_equal(found[1:4], CODES[1:4])


@pytest.mark.parametrize(("codebook_size", "dtype"), [(256, "uint16"), (65_536, "uint16"), (65_537, "uint32")])
def test_codes_are_stored_as_small_as_their_codebook_allows(tmp_path: Path, codebook_size: int, dtype: str) -> None:
    codes = np.array([[codebook_size - 1], [0]])
    write_codes(tmp_path / "part.npy", codes, codebook_size)
    assert np.load(tmp_path / "part.npy").dtype == dtype
    np.testing.assert_array_equal(open_codes([tmp_path / "part.npy"])[:], codes)


@pytest.mark.parametrize("codes", [np.array([[256]]), np.array([[-1]]), np.array([1, 2]), np.array([[0.5]])])
def test_codes_outside_the_codebook_are_refused(tmp_path: Path, codes: np.ndarray) -> None:
    with pytest.raises(ValueError, match="codes"):
        write_codes(tmp_path / "part.npy", codes, 256)
    assert not (tmp_path / "part.npy").exists()


def test_parts_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    good = write_parts(tmp_path, CODES, [])[0]
    with pytest.raises(InputError, match=r"absent\.npy: no such file"):
        open_codes([good, tmp_path / "absent.npy"])
    np.save(tmp_path / "narrow.npy", CODES[:, :3].astype(np.uint16))
    with pytest.raises(InputError, match=r"narrow\.npy: 3 levels of uint16, the parts before it have 4 of uint16"):
        open_codes([good, tmp_path / "narrow.npy"])
    np.save(tmp_path / "wide.npy", CODES.astype(np.uint32))
    with pytest.raises(InputError, match=r"wide\.npy: 4 levels of uint32, the parts before it have 4 of uint16"):
        open_codes([good, tmp_path / "wide.npy"])
    np.save(tmp_path / "real.npy", CODES * 0.5)
    with pytest.raises(InputError, match=r"real\.npy: expected integers"):
        open_codes([tmp_path / "real.npy"])
    good.write_bytes(good.read_bytes()[:-1])
    with pytest.raises(InputError, match="not a whole"):
        open_codes([good])


def test_code_strings_join_codes_with_a_dash() -> None:
    assert code_strings(CODES).to_pylist() == ["12-7-200-3", "0-0-0-0", "255-1-10-11", "12-7-200-3"]
    assert code_strings(CODES[:, :1].astype(np.uint16)).to_pylist() == ["12", "0", "255", "12"]
    assert code_strings(CODES[:0]).to_pylist() == []


@pytest.mark.parametrize("rows_at_once", [1, 3, 1000])
@pytest.mark.parametrize("cuts", [[], [3]])
def test_the_table_has_a_column_a_level_and_the_joined_code(
    tmp_path: Path, cuts: list[int], rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_module, "ROWS_AT_ONCE", rows_at_once)
    items = write_items(tmp_path, ["a", "b", "c", "d"])
    export_table(items, write_parts(tmp_path, CODES, cuts), tmp_path / "out.parquet", flat=False)
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.schema.names == ["item_id", "c1", "c2", "c3", "c4", "code_str"]
    assert {str(found.schema.field(f"c{level}").type) for level in range(1, 5)} == {"int32"}
    assert found.to_pylist()[0] == {"item_id": "a", "c1": 12, "c2": 7, "c3": 200, "c4": 3, "code_str": "12-7-200-3"}
    assert found["code_str"].to_pylist() == ["12-7-200-3", "0-0-0-0", "255-1-10-11", "12-7-200-3"]
    assert found["c3"].to_pylist() == [200, 0, 10, 200]


def test_the_table_of_a_flat_codebook_has_one_token(tmp_path: Path) -> None:
    items = write_items(tmp_path, ["a", "b", "c"])
    parts = write_parts(tmp_path, np.array([[70_000], [5], [0]]), [1], codebook_size=100_000)
    export_table(items, parts, tmp_path / "out.parquet", flat=True)
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.to_pydict() == {"item_id": ["a", "b", "c"], "token": [70_000, 5, 0]}
    assert str(found.schema.field("token").type) == "int32"


def test_residual_codes_of_one_level_keep_their_string(tmp_path: Path) -> None:
    items = write_items(tmp_path, ["a", "b"])
    export_table(items, write_parts(tmp_path, np.array([[3], [4]]), []), tmp_path / "out.parquet", flat=False)
    assert pq.read_table(tmp_path / "out.parquet").to_pydict() == {
        "item_id": ["a", "b"],
        "c1": [3, 4],
        "code_str": ["3", "4"],
    }


@pytest.mark.parametrize("ids", [["a", "b", "c"], ["a", "b", "c", "d", "e"]])
def test_a_table_needs_a_code_for_every_item(tmp_path: Path, ids: list[str]) -> None:
    with pytest.raises(InputError, match=rf"{len(ids)} items, but the codes have 4 rows"):
        export_table(
            write_items(tmp_path, ids), write_parts(tmp_path, CODES, [2]), tmp_path / "out.parquet", flat=False
        )
    assert not (tmp_path / "out.parquet").exists()


def test_a_flat_table_takes_one_code_an_item(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one code an item, not 4"):
        export_table(write_items(tmp_path, list("abcd")), write_parts(tmp_path, CODES, []), tmp_path / "o", flat=True)


@pytest.mark.parametrize("rows_at_once", [1, 3, 1000])
@pytest.mark.parametrize(
    ("codes", "dtype"),
    [
        (CODES, "uint8"),
        (np.array([[3, 256], [0, 1], [2, 2], [255, 0]]), "uint16"),
        (np.array([[0, 1], [3, 65_536], [2, 2], [70_000, 0]]), "uint32"),
    ],
)
def test_a_table_is_read_in_the_smallest_dtype(
    tmp_path: Path, codes: np.ndarray, dtype: str, rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_module, "ROWS_AT_ONCE", rows_at_once)
    parts = write_parts(tmp_path, codes, [2], codebook_size=100_000)
    export_table(write_items(tmp_path, list("abcd")), parts, tmp_path / "out.parquet", flat=False)
    found = read_semantic_ids(tmp_path / "out.parquet")
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, codes)


def test_ten_levels_are_read_in_their_order(tmp_path: Path) -> None:
    columns = {f"c{level}": [level, 0] for level in (10, 2, 1, 9, 3, 4, 5, 6, 7, 8)}
    pq.write_table(pa.table({"item_id": ["a", "b"], **columns}), tmp_path / "out.parquet")
    assert read_semantic_ids(tmp_path / "out.parquet")[0].tolist() == list(range(1, 11))


def test_columns_beside_the_codes_are_none_whatever_their_number(tmp_path: Path) -> None:
    columns = {"p1": [9, 9], "c1": [1, 2], "x2": [9, 9], "c2": [3, 4], "v10": [9, 9], "c03": [9, 9]}
    pq.write_table(pa.table({"item_id": ["a", "b"], **columns}), tmp_path / "out.parquet")
    assert read_semantic_ids(tmp_path / "out.parquet").tolist() == [[1, 3], [2, 4]]
    pq.write_table(pa.table({"p1": [9, 9]}), tmp_path / "out.parquet")
    with pytest.raises(InputError, match=r"out\.parquet: columns are p1; expected `token` or `c1`"):
        read_semantic_ids(tmp_path / "out.parquet")


@pytest.mark.parametrize("levels", [(1, 3), (2, 3)])
def test_a_table_with_a_level_missing_is_refused(tmp_path: Path, levels: tuple[int, ...]) -> None:
    pq.write_table(pa.table({f"c{level}": [1] for level in levels}), tmp_path / "out.parquet")
    with pytest.raises(InputError, match=rf"out\.parquet: columns c{levels[0]} to c{levels[-1]} with gaps"):
        read_semantic_ids(tmp_path / "out.parquet")


@pytest.mark.parametrize("tokens", [[0, None, 2], [0, -1, 2], [None, None, None]])
def test_a_row_without_a_code_is_named(tmp_path: Path, tokens: list[int | None]) -> None:
    pq.write_table(pa.table({"token": pa.array(tokens, pa.int32())}), tmp_path / "out.parquet")
    with pytest.raises(InputError, match=r"out\.parquet: token has no code of 0 or more in rows 0 to 2"):
        read_semantic_ids(tmp_path / "out.parquet")
    pq.write_table(pa.table({"title": ["a"]}), tmp_path / "out.parquet")
    with pytest.raises(InputError, match=r"out\.parquet: columns are title"):
        read_semantic_ids(tmp_path / "out.parquet")
