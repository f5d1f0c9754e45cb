"""One annotation gives the check of a value, its JSON schema and its words."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Le, Lt, MinLen
from jsonschema import Draft202012Validator

from semid.checks import Choices, Pattern, check_options, doc, expected_of, options_of, unique_items
from semid.errors import InputError

REGISTRY = {"exact": 1, "probe": 2}
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
