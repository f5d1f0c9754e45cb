"""Hold the values of options against what their dataclass declares."""

from collections.abc import Mapping
from typing import Any

from semid.addresses import shown
from semid.checks.expectations import Option, options_of
from semid.errors import InputError

# what is refused changes no result
__affects_results__ = False


def check_options(options: Any, of: str = "") -> None:
    """Hold every field of a dataclass instance against its annotation.

    `of` is the section of the configuration that the fields are keys of. Raises `InputError`, which names key,
    expectation and value, for the first that does not hold. Passwords in addresses are not shown.
    """
    for option in options_of(type(options)):
        _check_value(option, getattr(options, option.name, None), f"{of}: " if of else "")


def _check_value(option: Option, value: Any, section: str) -> None:
    if option.expected is None or option.expected.holds(value):
        return
    if option.keys_of is not None and isinstance(value, Mapping):
        _check_keys(option.keys_of, value, f"{section}{option.name}: ")
    raise InputError(f"{section}{option.name} must be {option.expected.text}, got {shown(repr(value))}")


def _check_keys(kind: type, values: Mapping[str, Any], section: str) -> None:
    """Raise `InputError` for the first key of a map, or its value, that is not as the dataclass declares it."""
    options = {option.name: option for option in options_of(kind)}
    for name in values:
        if name not in options:
            raise InputError(f"{section}{name!r} is no key here; the keys are {', '.join(options)}")
    for name, option in options.items():
        if name in values:
            _check_value(option, values[name], section)
        elif option.is_required:
            raise InputError(f"{section}{name} is missing, got {shown(dict(values))}")
