"""The layouts in which others keep codes: numbered from zero, as texts, as tokens, as lists, in any Arrow type."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semid.errors import InputError
from semid.semantic_ids import external_files, read_external_codes

CODES = [[3, 5, 7], [0, 12, 200], [3, 5, 8]]
IDS = ["a", "b", "c"]


def read(path: Path) -> tuple[list[str], np.ndarray]:
    batches = list(read_external_codes(path))
    return [name for batch in batches for name in batch.ids.to_pylist()], np.concatenate([b.codes for b in batches])


def assert_read(path: Path) -> None:
    ids, codes = read(path)
    assert ids == IDS
    np.testing.assert_array_equal(codes, CODES)


def parquet(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table({"item_id": IDS, **columns}), path)
    return path


TEXTS = {
    "dashes": "{}-{}-{}",
    "underscores": "{}_{}_{}",
    "commas": "{},{},{}",
    "spaces": "{} {} {}",
    "a list of Python": "[{}, {}, {}]",
    "tokens": "<a_{}><b_{}><c_{}>",
    "tokens with spaces": "<a_{}> <b_{}> <c_{}>",
}


@pytest.mark.parametrize("form", TEXTS.values(), ids=TEXTS.keys())
def test_texts_of_codes_are_read_from_tables_and_json(tmp_path: Path, form: str) -> None:
    texts = [form.format(*codes) for codes in CODES]
    assert_read(parquet(tmp_path / "codes.parquet", code_str=texts))
    quoted = "\n".join(f'{name},"{text}"' for name, text in zip(IDS, texts, strict=True))
    (tmp_path / "codes.csv").write_text(f"item_id,code_str\n{quoted}\n")
    assert_read(tmp_path / "codes.csv")
    (tmp_path / "codes.json").write_text(json.dumps(dict(zip(IDS, texts, strict=True))))
    assert_read(tmp_path / "codes.json")


def test_lists_of_numbers_are_read_from_json(tmp_path: Path) -> None:
    (tmp_path / "codes.json").write_text(json.dumps(dict(zip(IDS, CODES, strict=True))))
    assert_read(tmp_path / "codes.json")


@pytest.mark.parametrize("first", [0, 1])
def test_levels_are_numbered_from_zero_or_from_one(tmp_path: Path, first: int) -> None:
    columns = {f"c{first + level}": [codes[level] for codes in CODES] for level in range(3)}
    assert_read(parquet(tmp_path / "codes.parquet", **columns))


@pytest.mark.parametrize(
    "codes",
    [
        pa.array(CODES, pa.list_view(pa.int64())),
        pa.array(CODES, pa.large_list(pa.int32())),
        pa.array(CODES, pa.list_(pa.int16(), 3)),
        pa.array(["3-5-7", "0-12-200", "3-5-8"], pa.string_view()),
        pa.array(["3-5-7", "0-12-200", "3-5-8"]).dictionary_encode(),
        pa.array([b"3-5-7", b"0-12-200", b"3-5-8"]),
        pa.array([["3", "5", "7"], ["0", "12", "200"], ["3", "5", "8"]]),
        pa.array([["<a_3>", "<b_5>", "<c_7>"], ["<a_0>", "<b_12>", "<c_200>"], ["<a_3>", "<b_5>", "<c_8>"]]),
        pa.array([[b"3", b"5", b"7"], [b"0", b"12", b"200"], [b"3", b"5", b"8"]], pa.large_list(pa.large_binary())),
    ],
    ids=lambda codes: f"{codes.type} of {codes[0].as_py()}",
)
def test_every_arrow_type_of_codes_is_read(tmp_path: Path, codes: pa.Array) -> None:
    assert_read(parquet(tmp_path / "codes.parquet", sid=codes))


@pytest.mark.parametrize(
    "codes",
    [
        pa.array([[[3, 5, 7]], [[0, 12, 200]]]),
        pa.array([{"a": 3}, {"a": 0}]),
        pa.array([[("a", 3)], [("b", 0)]], pa.map_(pa.string(), pa.int64())),
        pa.array([[{"a": 3}], [{"a": 0}]]),
        pa.array([True, False]),
        pa.array([3, 0], pa.date32()),
    ],
    ids=lambda codes: str(codes.type),
)
def test_another_type_of_codes_is_named_with_those_that_are_read(tmp_path: Path, codes: pa.Array) -> None:
    path = tmp_path / "codes.parquet"
    pq.write_table(pa.table({"item_id": ["i0", "i1"], "sid": codes}), path)
    # the file gives the elements of its lists names of its own
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: 'sid' holds values of the type {str(codes.type).partition('<')[0]}")
    assert str(caught.value).endswith('expected whole numbers, lists of whole numbers, or texts such as "12-7-200"')


def test_codes_that_became_floats_are_whole_numbers(tmp_path: Path) -> None:
    columns = {f"c{level + 1}": [float(codes[level]) for codes in CODES] for level in range(3)}
    assert_read(parquet(tmp_path / "codes.parquet", **columns))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"c1": [1, 2, 3], "C2": [1, 2, 3]}, "C2 would be left out, though it looks like codes"),
        ({"c1": [1, 2, 3], "sid": [[1], [2], [3]]}, "sid would be left out"),
        ({"c2": [1, 2, 3], "c3": [1, 2, 3]}, "columns c2 to c3 with gaps"),
        ({"c0": [1, 2, 3], "c2": [1, 2, 3]}, "columns c0 to c2 with gaps"),
        ({"Token": [1, 2, 3]}, "write 'Token' in lower case"),
        ({"code_str": [None, "<a_1><b_2>", "<a_1><b_3>"]}, "row 0 holds no code in 'code_str'"),
        ({"code_str": ["<a_1>", "<b_1>", "<a_2>"]}, "expected tokens of the same levels in every row"),
        ({"code_str": ["<a_1><b_2>", "<a_1>", "<a_2><b_2>"]}, "expected tokens of the same levels in every row"),
    ],
)
def test_no_column_of_codes_is_left_out_in_silence(tmp_path: Path, columns: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(parquet(tmp_path / "codes.parquet", **columns))


@pytest.mark.parametrize(
    ("texts", "row"),
    [
        (["<a_1><b_2>", "<a_3><b_4>", "<b_5><a_6>"], 2),
        (["<a_1><b_2>", "3-4", "<a_5><b_6>"], 1),
        (["1-2", "3-4", "<a_5><b_6>"], 2),
    ],
    ids=["letters exchanged", "tokens before numbers", "numbers before tokens"],
)
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_tokens_have_the_form_of_the_first_row_of_the_file_in_every_batch(
    tmp_path: Path, texts: list[str], row: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external_files, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr(external_files, "CSV_BLOCK", 32)
    path = tmp_path / f"codes.{kind}"
    if kind == "parquet":
        parquet(path, code_str=texts)
    else:
        path.write_text("item_id,code_str\n" + "".join(f"{10**20},{text}\n" for text in texts))
    message = f"row {row} holds '{texts[row]}' in 'code_str', row 0 '{texts[0]}'; expected tokens of the same levels"
    with pytest.raises(InputError, match=message):
        read(path)


def test_a_line_end_inside_quotes_ends_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(
        f'{name},"A title\nof two lines",{"-".join(map(str, c))}\n' for name, c in zip(IDS, CODES, strict=True)
    )
    (tmp_path / "codes.csv").write_text(f"item_id,title,code_str\n{rows}")
    assert_read(tmp_path / "codes.csv")
    monkeypatch.setattr(external_files, "CSV_BLOCK", 48)
    assert_read(tmp_path / "codes.csv")


def test_our_own_table_has_the_codes_twice(tmp_path: Path) -> None:
    columns = {f"c{level + 1}": [codes[level] for codes in CODES] for level in range(3)}
    texts = ["-".join(map(str, codes)) for codes in CODES]
    assert_read(parquet(tmp_path / "codes.parquet", **columns, code_str=texts))
