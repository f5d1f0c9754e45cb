"""Codes that were made elsewhere: every format, what is wrong in a file, and the order of the items."""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semid.errors import InputError
from semid.semantic_ids import export_table, external_files, import_codes, read_external_codes, write_codes

IDS = ["b", "007", "ü x"]
CODES = np.array([[12, 7, 200], [0, 0, 3], [12, 7, 0]])
STRINGS = ["12-7-200", "0-0-3", "12-7-0"]
LEVELS = {f"c{level + 1}": CODES[:, level] for level in range(3)}
TOKENS = [[f"<{letter}_{code}>" for letter, code in zip("abc", row, strict=True)] for row in CODES]


def write_parquet(path: Path, columns: dict) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=2)
    return path


def write_csv(path: Path, columns: dict) -> Path:
    with gzip.open(path, "wt", encoding="utf-8") if path.suffix == ".gz" else path.open("w", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def write_index(path: Path, content: object) -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def read(path: Path, item2id: Path | None = None) -> tuple[list[str], np.ndarray]:
    batches = list(read_external_codes(path, item2id))
    return [name for ids, _ in batches for name in ids.to_pylist()], np.concatenate([codes for _, codes in batches])


@pytest.mark.parametrize(
    ("name", "write", "content"),
    [
        ("levels.parquet", write_parquet, {"item_id": IDS, **LEVELS}),
        ("ours.parquet", write_parquet, {"item_id": IDS, **LEVELS, "code_str": STRINGS}),
        ("strings.parquet", write_parquet, {"code_str": STRINGS, "item_id": pa.array(IDS, pa.large_string())}),
        ("lists.parquet", write_parquet, {"pid": IDS, "sid": CODES.tolist()}),
        ("fixed.parquet", write_parquet, {"pid": IDS, "sid": pa.array(CODES.tolist(), pa.list_(pa.int32(), 3))}),
        ("levels.csv", write_csv, {"c2": LEVELS["c2"], "item_id": IDS, "c1": LEVELS["c1"], "c3": LEVELS["c3"]}),
        ("strings.csv.gz", write_csv, {"item_id": IDS, "code_str": STRINGS}),
        ("x.index.json", write_index, dict(zip(IDS, TOKENS, strict=True))),
        ("index.json.gz", write_index, dict(zip(IDS, TOKENS, strict=True))),
    ],
)  # fmt: skip
def test_every_format_gives_the_same_ids_and_codes(tmp_path: Path, name: str, write: Callable, content: dict) -> None:
    ids, codes = read(write(tmp_path / name, content))
    assert ids == IDS
    np.testing.assert_array_equal(codes, CODES)


def test_a_flat_codebook_has_one_level(tmp_path: Path) -> None:
    for path in (
        write_parquet(tmp_path / "token.parquet", {"item_id": [3, 10], "token": [70_000, 5]}),
        write_csv(tmp_path / "token.csv", {"item_id": [3, 10], "token": [70_000, 5]}),
    ):
        ids, codes = read(path)
        assert ids == ["3", "10"]
        assert codes.tolist() == [[70_000], [5]]


@pytest.mark.parametrize("flat", [False, True])
def test_our_own_table_is_read_back(tmp_path: Path, flat: bool) -> None:
    codes = CODES[:, :1] if flat else CODES
    items = write_parquet(tmp_path / "items.parquet", {"item_id": IDS})
    write_codes(tmp_path / "part.npy", codes, 256)
    export_table(items, [tmp_path / "part.npy"], tmp_path / "table.parquet", flat)
    ids, found = read(tmp_path / "table.parquet")
    assert ids == IDS
    np.testing.assert_array_equal(found, codes)


def test_numbers_become_ids(tmp_path: Path) -> None:
    index = write_index(tmp_path / "index.json", {"1": ["<a_5>"], "0": ["<a_6>"]})
    item2id = tmp_path / "x.item2id"
    item2id.write_text("B0 0\t0\nB01\t1\nB02\t2\n", encoding="utf-8")
    assert read(index, item2id)[0] == ["B01", "B0 0"]
    item2id.write_text("B00\t0\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"x\.item2id: no line for the numbers '1' of the codes"):
        read(index, item2id)
    item2id.write_text("B00\t0\nB01 1\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"x\.item2id: line 2 is 'B01 1'; expected an id, a tab and a number"):
        read(index, item2id)
    item2id.write_text("B00\t0\nB01\t0\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 2 gives the number 0 to 'B01', as to 'B00'"):
        read(index, item2id)


@pytest.mark.parametrize(
    ("name", "write", "content", "message"),
    [
        ("a.txt", write_index, "", r"a\.txt: cannot read codes from this kind of file; expected \.parquet, \.csv"),
        ("a.json", write_index, "[1, 2]", "expected .* an item a key"),
        ("a.json", write_index, '{"1": ["<a_1>"]', r"a\.json: cannot read codes: "),
        ("a.json", write_index, '{"1": 7}', "item '1' has 7; expected a list <a_12>, <b_7>, …"),
        ("a.json", write_index, '{"1": ["<a_1>", "<b_x>"]}', r"item '1' has \['<a_1>', '<b_x>'\]"),
        ("a.json", write_index, '{"1": ["<a_1>", "<b_1>"], "2": ["<b_1>", "<a_1>"]}', "expected a list <a_…>, <b_…>"),
        ("a.json", write_index, '{"1": ["<a_1>", "<b_1>"], "2": ["<a_1>"]}', "item '2' has"),
        ("a.parquet", write_parquet, {"id": ["a"], "c1": [1]}, "columns are id, c1; expected item_id or pid, and c1"),
        ("a.parquet", write_parquet, {"item_id": ["a"], "code": [1]}, "its columns are item_id, code; expected"),
        ("a.parquet", write_parquet, {"item_id": ["a"], "c1": [1], "c3": [1]}, "columns c1 to c3 with gaps"),
        ("a.parquet", write_parquet, {"item_id": ["a", "b"], "c1": [1, None]}, "row 1 holds None in 'c1'; expected"),
        ("a.parquet", write_parquet, {"item_id": ["a", "b"], "c1": [1, -1]}, "row 1 holds '-1' in 'c1'"),
        ("a.parquet", write_parquet, {"item_id": ["a", "b", "c"], "c1": [1, 2, 2.5]}, "holds '.*' in 'c1'"),
        ("a.parquet", write_parquet, {"item_id": ["a", None], "c1": [1, 1]}, "the id in row 1 is empty"),
        ("a.parquet", write_parquet, {"item_id": [0.5], "c1": [1]}, r"id in row 0 is 0\.5, a double"),
        ("a.parquet", write_parquet, {"pid": [1, 2], "sid": [[1, 2], [3]]}, "row 1 has 1 codes in 'sid', row 0 has 2"),
        ("a.parquet", write_parquet, {"pid": [1, 2], "sid": [[1, 2], None]}, "row 1 has 0 codes in 'sid', row 0 has 2"),
        ("a.csv", write_csv, {"item_id": ["a", "b"], "code_str": ["1-2", "1-x"]}, "row 1 holds 'x' in 'code_str'"),
        ("a.csv", write_csv, {"item_id": ["a", "b"], "c1": [1, ""]}, "row 1 holds '' in 'c1'"),
        ("a.csv", write_csv, {"item_id": ["a", ""], "c1": [1, 1]}, "the id in row 1 is empty"),
        ("a.csv", write_index, "item_id,c1\na,1,2\n", r"a\.csv: cannot read codes: "),
        ("a.csv.gz", write_index, "", r"its columns are ; expected item_id"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_named(
    tmp_path: Path, name: str, write: Callable, content: object, message: str
) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(InputError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_files_that_are_not_there_or_cut_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.json: no such file"):
        read(tmp_path / "gone.json")
    whole = write_index(tmp_path / "index.json.gz", {str(n): ["<a_1>"] for n in range(1_000)})
    whole.write_bytes(whole.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"index\.json\.gz: cannot read codes"):
        read(whole)


def imported(tmp_path: Path, codes: Path, ids: list[str], shards: int = 1) -> np.ndarray:
    items = write_parquet(tmp_path / "items.parquet", {"item_id": ids, "in_core": [True] * len(ids)})
    parts = [tmp_path / f"part-{shard}.npy" for shard in range(shards)]
    for shard, part in enumerate(parts):
        import_codes(codes, None, items, shard, shards, part)
    return np.concatenate([np.load(part) for part in parts])


@pytest.mark.parametrize("rows_at_once", [1, 2, 100])
@pytest.mark.parametrize("shards", [1, 2, 3])
def test_codes_come_in_the_order_of_the_items(
    tmp_path: Path, shards: int, rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external_files, "ROWS_AT_ONCE", rows_at_once)
    path = write_parquet(tmp_path / "codes.parquet", {"item_id": [*IDS, "more"], "code_str": [*STRINGS, "300-1-1"]})
    found = imported(tmp_path, path, ["007", "ü x", "b"], shards)
    np.testing.assert_array_equal(found, CODES[[1, 2, 0]])
    assert found.dtype == np.uint16


def test_items_of_the_file_that_are_no_items_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_index(tmp_path / "index.json", dict(zip([*IDS], TOKENS, strict=True)))
    imported(tmp_path, path, IDS)
    assert not caplog.records
    imported(tmp_path, path, IDS[:2])
    assert "3 rows of codes for 2 items: codes of no item are left out" in caplog.text


def test_all_parts_have_the_dtype_that_the_largest_code_needs(tmp_path: Path) -> None:
    ids = [str(number) for number in range(70_000)]
    pq.write_table(pa.table({"item_id": ids, "token": range(70_000)}), tmp_path / "codes.parquet")
    pq.write_table(pa.table({"item_id": ids}), tmp_path / "items.parquet")
    for shard in (0, 1):
        part = tmp_path / f"part-{shard}.npy"
        import_codes(tmp_path / "codes.parquet", None, tmp_path / "items.parquet", shard, 2, part)
        assert np.load(part).dtype == np.uint32


@pytest.mark.parametrize(
    ("ids", "strings", "message"),
    [
        (["b", "007", "b"], ["1-1", "1-2", "1-3"], "more than one code for 'b'; give each item one"),
        (["b", "007", "x", "y"], ["1-1"] * 4, "1 of 3 items have no code: 'ü x'. Retrieval finds an item by its"),
        (["0", "1", "2"], ["1-1"] * 3, "none of its 3 ids is one of these 3 items: ids '0'.*; items 'b', .*item2id"),
        (["b", "007", "ü x"], ["1-1", "1-2", "1-70000"], "the largest code is 70000, with 3 items: hashes"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("rows_at_once", [1, 100])
def test_every_item_needs_one_code(
    tmp_path: Path,
    ids: list[str],
    strings: list[str],
    message: str,
    rows_at_once: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(external_files, "ROWS_AT_ONCE", rows_at_once)
    path = write_parquet(tmp_path / "codes.parquet", {"item_id": ids, "code_str": strings})
    with pytest.raises(InputError, match=message):
        imported(tmp_path, path, IDS)
    assert not (tmp_path / "part-0.npy").exists()


def test_more_ids_than_are_shown_end_in_dots(tmp_path: Path) -> None:
    columns = {"item_id": [f"x{number}" for number in range(6)], "token": range(6)}
    path = write_parquet(tmp_path / "codes.parquet", columns)
    message = "none of its 6 ids is one of these 3 items: ids 'x0', 'x1', 'x2', 'x3', 'x4', …; items 'b', '007', 'ü x'"
    with pytest.raises(InputError, match=message):
        imported(tmp_path, path, IDS)


def test_levels_that_differ_between_batches_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_files, "ROWS_AT_ONCE", 1)
    path = write_parquet(tmp_path / "codes.parquet", {"item_id": IDS, "code_str": ["1-1", "1-1", "1"]})
    with pytest.raises(InputError, match="'ü x' has 1 codes, 'b' has 2; expected as many for every item"):
        imported(tmp_path, path, IDS)


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    for path in (
        write_index(tmp_path / "index.json", {}),
        write_index(tmp_path / "header.csv", "item_id,c1,c2\n"),
        write_parquet(
            tmp_path / "none.parquet", {"item_id": pa.array([], pa.string()), "token": pa.array([], pa.int32())}
        ),
    ):
        with pytest.raises(InputError, match=rf"{path.name}: no codes here"):
            imported(tmp_path, path, IDS)


def test_the_published_ids_of_minionerec(tmp_path: Path, shared_data: Path) -> None:
    path = shared_data / "amazon2018-industrial/original/index.json.gz"
    ids = [str(number) for number in range(3_686)]
    codes = imported(tmp_path, path, sorted(ids), shards=2)
    assert codes.shape == (3_686, 3)
    assert len(np.unique(codes, axis=0)) == 3_670
    assert [len(np.unique(column)) for column in codes.T] == [48, 256, 256]
    with gzip.open(path.parent.parent / "items.jsonl.gz", "rt", encoding="utf-8") as file:
        beside = {str(item["item_id"]): item["minionerec_sid"] for item in map(json.loads, file)}
    tokens = [[f"<{letter}_{code}>" for letter, code in zip("abc", row, strict=True)] for row in codes.tolist()]
    assert tokens == [beside[name] for name in sorted(ids)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("index.json", '{"a": ' * 100_000, "cannot read codes: it is nested too deeply"),
        ("index.json.gz", "[" * 100_000, "cannot read codes: it is nested too deeply"),
        ("codes.csv", f"item_id,{'c' * 200_000}\na,1\n", "cannot read codes: field larger than field limit"),
    ],
)
def test_what_python_cannot_take_apart_is_named_with_its_file(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    with pytest.raises(InputError, match=f"{name}: {message}"):
        list(read_external_codes(write_index(tmp_path / name, content)))
