"""Ids are strings, whatever type a file gives them."""

import decimal

import numpy as np
import pyarrow as pa
import pytest

from semid.errors import InputError
from semid.ids import id_strings, plain_values


@pytest.mark.parametrize(
    ("ids", "strings"),
    [
        (pa.array([7, 12]), ["7", "12"]),
        (pa.array([7, 12], pa.uint64()), ["7", "12"]),
        (pa.array([7.0, 12.0]), ["7", "12"]),
        (pa.array([7.0, -(2.0**24) + 1], pa.float32()), ["7", "-16777215"]),
        (pa.array(np.array([7, 2047], np.float16)), ["7", "2047"]),
        (pa.array([2.0**53 - 1]), ["9007199254740991"]),
        (
            pa.array(["9007199254740993", "1e+05", "9007199254740991.0"]),
            ["9007199254740993", "1e+05", "9007199254740991"],
        ),
        (pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"]),
        (pa.array([decimal.Decimal("7.00")]), ["7"]),
        (pa.array([decimal.Decimal("1" * 38)]), ["1" * 38]),
        (pa.array(["7.0", "7.50", "007", "B0.0"]), ["7", "7.50", "007", "B0.0"]),
        (pa.array(["a", "ü"], pa.string_view()), ["a", "ü"]),
        (pa.array(["a", "b"], pa.large_string()), ["a", "b"]),
        (pa.array(["ü".encode(), b"b"]), ["ü", "b"]),
        (pa.array([b"b"], pa.binary_view()), ["b"]),
        (pa.array([b"ab"], pa.binary(2)), ["ab"]),
        (pa.array(["b", "a", "b"]).dictionary_encode(), ["b", "a", "b"]),
        (pa.array([2.0, 1.0]).dictionary_encode(), ["2", "1"]),
        (pa.array([], pa.string()), []),
    ],
)
def test_ids_are_strings_and_whole_numbers_have_one_form(ids: pa.Array, strings: list[str]) -> None:
    found = id_strings("ids.parquet", ids, 0)
    assert found.type == pa.large_string()
    assert found.to_pylist() == strings


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (pa.array(["a", ""]), "the id in row 101 is empty"),
        (pa.array(["a", None]), "the id in row 101 is empty"),
        (pa.array([1.0, float("nan")]), "the id in row 101 is empty"),
        (pa.array([1.0, 1.5]), r"the id in row 101 is 1\.5, a double"),
        (pa.array([2.0**53]), "whole numbers that a float holds exactly"),
        (pa.array([1.0, 2.0**24], pa.float32()), r"the id in row 101 is 16777216\.0, a float"),
        (pa.array([1.5], pa.float32()), r"the id in row 100 is 1\.5, a float"),
        (pa.array(np.array([2048], np.float16)), "the id in row 100 is .*, a halffloat"),
        (pa.array([float("inf")]), "the id in row 100 is inf"),
        (pa.array(["a", "9007199254740992.0"]), r"the id in row 101 is '9007199254740992\.0'"),
        (pa.array(["1.8e+19"]), r"the id in row 100 is '1\.8e\+19'"),
        (pa.array(["1" * 400 + ".0"]), "the id in row 100 is '1111"),
        (pa.array([decimal.Decimal("7.50")]), "the id in row 100 is"),
        (pa.array([b"\xff"]), "no text in UTF-8"),
        (pa.array([True]), "ids are bool; expected strings or whole numbers"),
        (pa.array([["a"]]), "ids are list"),
    ],
)
def test_what_is_no_id_is_named(ids: pa.Array, message: str) -> None:
    with pytest.raises(InputError, match=rf"^ids\.parquet: .*{message}"):
        id_strings("ids.parquet", ids, 100)


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["a", "b", "a"]).dictionary_encode(),
        pa.array(["a", "b", "a"], pa.string_view()),
        pa.RunEndEncodedArray.from_arrays([1, 2, 3], ["a", "b", "a"]),
    ],
)
def test_encodings_of_values_are_undone(values: pa.Array) -> None:
    assert plain_values(values).to_pylist() == ["a", "b", "a"]
    assert plain_values(values).type in (pa.string(), pa.large_string())


def test_views_of_lists_become_lists() -> None:
    values = [[1, 2], [3], None, [], [4, 5, 6]]
    lists = pa.array(values, pa.list_view(pa.int64()))
    assert pa.types.is_large_list(plain_values(lists).type)
    assert plain_values(lists).to_pylist() == values
    assert plain_values(lists[1:]).to_pylist() == values[1:]
