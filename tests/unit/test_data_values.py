"""Values of any type as the text that a template puts in its place."""

import json

import pyarrow as pa
import pytest

from semid.data.values import value_text, value_texts


@pytest.mark.parametrize(
    ("encoded", "text"),
    [
        ('"a plain text"', "a plain text"),
        ("12.90", "12.90"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("true", "true"),
        ("null", ""),
        ("NaN", ""),
        (None, ""),
        ('["red", "", null, "blue"]', "red, blue"),
        ("[[1, 2], [3.50]]", "1, 2, 3.50"),
        ('{"Colour": "red", "Size": null, "Weight": 1.50}', "Colour: red; Weight: 1.50"),
        ('{"Best": {"Rank": 3, "In": ["Toys", "Games"]}}', "Best: Rank: 3; In: Toys, Games"),
        ('[{"a": 1}, {"a": 2}]', "a: 1, a: 2"),
        ("[]", ""),
        ("{}", ""),
    ],
)
def test_a_value_of_any_type_is_text(encoded: str | None, text: str) -> None:
    assert value_text(encoded) == text


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("""['Music', "Women's"]""", "Music, Women's"),
        ('["a", "b"]', "a, b"),
        ("{'Colour': 'red', 'Sizes': [1, 2], 'None': None}", "Colour: red; Sizes: 1, 2"),
        ('{"Brand": "B", "Price": 12.90}', "Brand: B; Price: 12.90"),
        ("[New] a kit [2 pieces]", "[New] a kit [2 pieces]"),
        ("[New]", "[New]"),
        ("{'b', 'a'}", "{'b', 'a'}"),
        ("['a' 'b']", "['a' 'b']"),
        ("[" * 5_000 + "]" * 5_000, "[" * 5_000 + "]" * 5_000),
        ("[" * 900 + "]" * 900, "[" * 900 + "]" * 900),
        ("{1: " * 30 + "2" + "}" * 30, "1: " * 30 + "2"),
        ("[" + "'a', " * 50_000 + "]", "[" + "'a', " * 50_000 + "]"),
    ],
    ids=range(12),
)
def test_lists_and_records_that_were_written_as_text_are_read(written: str, text: str) -> None:
    assert value_text(json.dumps(written)) == text


def test_many_values_keep_their_order() -> None:
    values = pa.array(['"a"', None, "[1, 2]", '"a"', "3"])
    assert value_texts(values).to_pylist() == ["a", "", "1, 2", "a", "3"]
    assert value_texts(pa.array([], pa.string())).to_pylist() == []


def test_half_of_a_surrogate_pair_is_a_question_mark():
    assert value_texts(pa.array(['["caf\\u00e9 \\ud83d"]'])).to_pylist() == ["café ?"]
