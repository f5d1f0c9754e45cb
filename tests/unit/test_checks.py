"""One annotation gives the check of a value, its JSON schema and its words."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Interval, Le, Lt, MaxLen, MinLen, MultipleOf
from jsonschema import Draft202012Validator

from semid.checks import (
    Choices,
    FilePath,
    KeysOf,
    Pattern,
    Worded,
    check_options,
    doc,
    expected_of,
    object_schema,
    options_of,
    unique_items,
)
from semid.errors import InputError

REGISTRY = {"exact": 1, "probe": 2}


@dataclass(frozen=True)
class _Sizes:
    width: Annotated[int, Ge(1), doc("How wide.")]
    name: Annotated[str, doc("What it is called.")] = ""


CASES: list[tuple[Any, list[Any], list[Any], str]] = [
    (Annotated[int, Ge(1)], [1, 7], [0, True, 1.5, "1", None], "a whole number of at least 1"),
    (Annotated[int, Ge(0), Le(9)], [0, 9], [-1, 10], "a whole number from 0 to 9"),
    (Annotated[float, Gt(0), Lt(1)], [0.5], [0, 1, False], "a number above 0 and below 1"),
    (Annotated[float, Gt(0), Le(1)], [0.5, 1], [0, 2], "a number above 0 and at most 1"),
    (float, [1, 0.5, -3], ["x"], "a number"),
    (bool, [True, False], [0, "False"], "true or false"),
    (Literal["a", "b"], ["a"], ["c", None], "a or b"),
    (Annotated[str, Choices(REGISTRY)], ["exact"], ["faiss"], "exact or probe"),
    (Annotated[str, MinLen(1)], ["x"], ["", 1], "a text that is not empty"),
    (Annotated[str, Pattern("^x+$", "a row of x")], ["xx"], ["", "xy", 3], "a row of x"),
    (str | None, ["x", None], [1], "a text or null"),
    (
        Annotated[tuple[Annotated[int, Ge(1)], ...], MinLen(1)],
        [[1], [2, 2]],
        [[], [0], 1, "12"],
        "one or more whole numbers of at least 1",
    ),
    (
        Annotated[tuple[Annotated[str, Choices(REGISTRY)], ...], MinLen(1), unique_items],
        [["exact"], ["probe", "exact"]],
        [["exact", "exact"], [], ["faiss"]],
        "one or more of exact, probe, each once",
    ),
    (
        Annotated[tuple[int, ...], MinLen(2), MaxLen(2)],
        [[1, 2]],
        [[1], [1, 2, 3], ["a", "b"]],
        "2 whole numbers",
    ),
    (Annotated[tuple[int, ...], MaxLen(2)], [[], [1, 2]], [[1, 2, 3]], "at most 2 whole numbers"),
    (
        FilePath | Annotated[tuple[FilePath, ...], MinLen(1)],
        ["a.csv", "https://host/a.csv", ["a.csv"]],
        ["{a}.csv", "", [], ["{a}"], 3, None],
        "a path without braces or one or more paths without braces",
    ),
    (Annotated[int | None, Worded("a number, or nothing")], [1, None], ["x"], "a number, or nothing"),
    (
        Annotated[dict[str, Any], KeysOf(_Sizes)],
        [{"width": 1}, {"width": 2, "name": "x"}],
        [{}, {"name": "x"}, {"width": 0}, {"width": 1, "depth": 2}, 3],
        "a map of width, name",
    ),
    (dict[str, Annotated[int, Ge(0)]], [{}, {"x": 1}], [{"x": -1}, 3], "a map of whole numbers of at least 0"),
]


@pytest.mark.parametrize(("hint", "good", "bad", "text"), CASES, ids=[case[3] for case in CASES])
def test_words_check_and_schema_agree(hint: Any, good: list[Any], bad: list[Any], text: str) -> None:
    expected = expected_of(hint)
    assert expected is not None
    assert expected.text == text
    schema = Draft202012Validator(expected.schema)
    for value in good:
        assert expected.holds(value), value
        assert schema.is_valid(value), value
    for value in bad:
        assert not expected.holds(value), value
        assert not schema.is_valid(value), value


@pytest.mark.parametrize(
    "hint",
    [
        Annotated[int | None, Ge(1)],
        Annotated[tuple[int, ...] | None, MinLen(1)],
        Annotated[int, MinLen(1)],
        Annotated[str, Ge(1)],
        Annotated[str, MaxLen(3)],
        Annotated[str, unique_items],
        Annotated[bool, Ge(1)],
        Annotated[tuple[int, ...], Ge(1)],
        Annotated[dict[str, int], MinLen(1)],
        Annotated[int, Interval(ge=1)],
        Annotated[int, MultipleOf(2)],
        Annotated[str | None, Choices(REGISTRY)],
        Annotated[str, Choices(REGISTRY), MinLen(1)],
        Annotated[str, Pattern("^x+$", "a row of x"), MaxLen(3)],
        Annotated[Any, Ge(1)],
    ],
    ids=str,
)
def test_an_annotation_that_would_not_be_checked_is_an_error_of_the_declaration(hint: Any) -> None:
    with pytest.raises(TypeError, match=r"would not be checked beside .*: "):
        expected_of(hint)


def test_infinity_and_nan_are_no_numbers() -> None:
    expected = expected_of(float)
    assert expected is not None
    assert not expected.holds(float("nan"))
    assert not expected.holds(float("inf"))


@dataclass(frozen=True)
class _Options:
    path: Annotated[Any, doc("Anything.")]
    epochs: Annotated[int, Ge(0), doc("Passes over the rows.")] = 60
    hidden: int = -1

    def __post_init__(self) -> None:
        check_options(self, "training")


def test_a_wrong_value_is_named_with_its_section_and_what_was_expected() -> None:
    with pytest.raises(InputError, match=r"^training: epochs must be a whole number of at least 0, got -1$"):
        _Options("x", epochs=-1)
    # what has no text is no option
    _Options(None, hidden=-5)


def test_options_are_the_fields_with_a_text_in_their_order() -> None:
    path, epochs = options_of(_Options)
    assert (path.name, path.is_required, path.expected) == ("path", True, None)
    assert (epochs.name, epochs.text, epochs.default, epochs.is_required) == (
        *("epochs", "Passes over the rows.", 60),
        False,
    )


@dataclass(frozen=True)
class _Files:
    train: Annotated[FilePath, doc("What is read first.")]
    share: Annotated[float, Ge(0), Le(1), doc("How much of it.")] = 0.5
    name: Annotated[str | None, doc("What it is called.")] = None


def test_the_schema_of_a_map_has_texts_words_defaults_and_what_is_required() -> None:
    assert object_schema(_Files) == {
        "type": "object",
        "additionalProperties": False,
        "required": ["train"],
        "properties": {
            "train": {
                "type": "string",
                "pattern": "^[^{}]+$",
                "expected": "a path without braces",
                "description": "What is read first.",
            },
            "share": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "expected": "a number from 0 to 1",
                "description": "How much of it.",
                "default": 0.5,
            },
            "name": {
                "anyOf": [{"type": "string"}, {"type": "null"}],
                "expected": "a text or null",
                "description": "What it is called.",
            },
        },
    }


def test_a_path_may_also_be_a_path_of_the_library() -> None:
    expected = expected_of(FilePath)
    assert expected is not None
    assert expected.holds(Path("a/b.csv"))
    assert not expected.holds(Path("a/{b}.csv"))
