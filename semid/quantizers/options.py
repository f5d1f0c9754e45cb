"""Checks of constructor options; what is wrong is an `InputError` that says name, expectation and value."""

import math
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from semid.errors import InputError


def plain(value: Any) -> Any:
    """A numpy scalar as the Python value that it is, which JSON can hold; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def is_count(value: Any, least: int) -> bool:
    """Whether a value is an integer of at least `least`; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def check_options(options: object, expected: str, holds: Callable[[Any], bool], *names: str) -> None:
    """Raise `InputError` unless the values of `options` called `names` hold what is `expected`."""
    for name in names:
        value = getattr(options, name)
        if not holds(value):
            raise InputError(f"{name} must be {expected}, got {value!r}")


def check_counts(options: object, least: int, *names: str) -> None:
    """Integers of at least `least`."""
    check_options(options, f"a whole number of at least {least}", lambda value: is_count(value, least), *names)


def check_numbers(options: object, expected: str, holds: Callable[[float], bool], *names: str) -> None:
    """Finite numbers that hold what is `expected`."""

    def is_such_a_number(value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and holds(value)

    check_options(options, f"a number {expected}", is_such_a_number, *names)


def check_choice(options: object, choices: Collection[str], name: str) -> None:
    """One of some names."""
    check_options(options, " or ".join(choices), lambda value: value in choices, name)
