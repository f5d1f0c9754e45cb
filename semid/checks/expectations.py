"""The options that a dataclass declares, and what the value of each must be: in words and as a JSON schema."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from annotated_types import BaseMetadata, Ge, GroupedMetadata, Gt, Le, Lt, MaxLen, MinLen

from semid.checks.annotations import Choices, KeysOf, Pattern, Worded, at_encode, unique_items

# what is refused changes no result
__affects_results__ = False


class Expected(NamedTuple):
    """What a value must be: in words, as a function, and as a JSON schema. `many` are the words for several of them."""

    text: str
    many: str
    holds: Callable[[Any], bool]
    schema: dict[str, Any]


class Option(NamedTuple):
    """A declared option. `expected` is None where any value will do, `default` where it must be given.

    `keys_of` is the dataclass that declares the keys of a map, or of the maps in a map; else None.
    """

    name: str
    text: str
    expected: Expected | None
    default: Any
    is_required: bool
    is_at_encode: bool
    keys_of: type | None


def options_of(kind: type) -> tuple[Option, ...]:
    """The options that a dataclass declares: fields of its constructor with a text, in order."""
    return _options_of(kind)


@cache
def _options_of(kind: type) -> tuple[Option, ...]:
    hints = get_type_hints(kind, include_extras=True)
    found = []
    for field in fields(kind):
        hint = hints[field.name]
        metadata = getattr(hint, "__metadata__", ())
        texts = [entry.documentation for entry in metadata if hasattr(entry, "documentation")]
        if field.init and texts:
            default = field.default if field.default_factory is MISSING else field.default_factory()
            required = default is MISSING
            found.append(
                Option(
                    field.name,
                    texts[0],
                    expected_of(hint),
                    None if required else default,
                    required,
                    at_encode in metadata,
                    _keys_in(hint),
                )
            )
    return tuple(found)


def expected_of(hint: Any) -> Expected | None:
    """What a type hint allows; None for types about which nothing is checked.

    Known are int, float, str, bool, Literal, tuples and lists of one type, mappings of one type, a type or None, and
    with Annotated the ranges Ge, Gt, Le, Lt, MinLen, MaxLen, :class:`Choices`, :class:`Pattern`, :class:`KeysOf` and
    :class:`Worded`. Raises `TypeError` for one of these, or another annotation of annotated-types, that the type does
    not know, since it would not be checked: a range belongs to the type itself, as in `Annotated[int, Ge(1)] | None`.
    """
    metadata: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *extras = get_args(hint)
        metadata = tuple(extras)
    expected = _expected_of(hint, metadata)
    words = [entry.text for entry in metadata if isinstance(entry, Worded)]
    return expected._replace(text=words[0]) if words and expected is not None else expected


def option_schema(option: Option) -> dict[str, Any]:
    """The JSON schema of an option: its text as `description`, its default, `expected` in words, and its stage."""
    expected = option.expected
    schema = {**expected.schema, "expected": expected.text} if expected is not None else {}
    schema["description"] = option.text
    if not option.is_required and option.default is not None:
        schema["default"] = list(option.default) if isinstance(option.default, tuple) else option.default
    if option.is_at_encode:
        schema["stage"] = "encode"
    return schema


def object_schema(kind: type) -> dict[str, Any]:
    """The JSON schema of a map whose keys are the options that a dataclass declares."""
    options = options_of(kind)
    required = [option.name for option in options if option.is_required]
    return {
        "type": "object",
        "additionalProperties": False,
        **({"required": required} if required else {}),
        "properties": {option.name: option_schema(option) for option in options},
    }


def _expected_of(hint: Any, metadata: tuple[Any, ...]) -> Expected | None:
    origin, arguments = get_origin(hint), get_args(hint)
    is_list = origin in (tuple, list, Sequence) and (origin is not tuple or arguments[1:] == (...,))
    whole = next((entry for entry in metadata if isinstance(entry, Choices | Pattern | KeysOf)), None)
    known = _known_annotations(hint, is_list, whole)
    for entry in metadata:
        is_rule = isinstance(entry, Choices | Pattern | KeysOf | BaseMetadata | GroupedMetadata)
        if (is_rule or entry is unique_items) and not isinstance(entry, known):
            raise TypeError(f"an annotation would not be checked beside {hint}: {entry!r}")
    if isinstance(whole, Choices):
        return _choice(tuple(whole.names))
    if isinstance(whole, Pattern):
        return _pattern(whole)
    if isinstance(whole, KeysOf):
        return _keys_of(whole.kind)
    if hint is bool:
        return Expected("true or false", "true or false", lambda v: isinstance(v, bool), {"type": "boolean"})
    if hint in (int, float):
        return _number(hint, metadata)
    if hint is str:
        return _text(metadata)
    if origin is Literal:
        return _choice(arguments)
    if is_list:
        return _several(expected_of(arguments[0]), metadata)
    if origin in (dict, Mapping):
        return _map(expected_of(arguments[1]))
    if origin in (Union, UnionType):
        return _either([argument for argument in arguments if argument is not NoneType], NoneType in arguments)
    return None


def _known_annotations(hint: Any, is_list: bool, whole: Any) -> tuple[type, ...]:
    """The classes of the annotations that are checked beside a type hint; `whole` is one that says all of a value."""
    if whole is not None:
        return (type(whole),) if hint is str or not isinstance(whole, Choices) else ()
    if hint in (int, float):
        return (Ge, Gt, Le, Lt)
    if hint is str:
        return (MinLen,)
    return (MinLen, MaxLen, type(unique_items)) if is_list else ()


def _number(kind: type, metadata: Sequence[Any]) -> Expected:
    bounds = {type(entry): entry for entry in metadata if isinstance(entry, Ge | Gt | Le | Lt)}
    least, above = (getattr(bounds.get(bound), name, None) for bound, name in ((Ge, "ge"), (Gt, "gt")))
    most, below = (getattr(bounds.get(bound), name, None) for bound, name in ((Le, "le"), (Lt, "lt")))

    def holds(value: Any) -> bool:
        is_number = isinstance(value, int) if kind is int else isinstance(value, int | float)
        return (
            is_number
            and not isinstance(value, bool)
            and math.isfinite(value)
            and (least is None or value >= least)
            and (above is None or value > above)
            and (most is None or value <= most)
            and (below is None or value < below)
        )

    if least is not None and most is not None:
        words = [f"from {least} to {most}"]
    else:
        words = [f"of at least {least}"] if least is not None else [f"above {above}"] if above is not None else []
        words += [f"at most {most}"] if most is not None else [f"below {below}"] if below is not None else []
    span = " " + " and ".join(words) if words else ""
    number = "whole number" if kind is int else "number"
    limits = {"minimum": least, "exclusiveMinimum": above, "maximum": most, "exclusiveMaximum": below}
    schema = {
        "type": "integer" if kind is int else "number",
        **{key: limit for key, limit in limits.items() if limit is not None},
    }
    return Expected(f"a {number}{span}", f"{number}s{span}", holds, schema)


def _text(metadata: Sequence[Any]) -> Expected:
    least = next((entry.min_length for entry in metadata if isinstance(entry, MinLen)), 0)
    text = "a text that is not empty" if least else "a text"
    schema = {"type": "string", **({"minLength": least} if least else {})}
    return Expected(text, "texts", lambda value: isinstance(value, str) and len(value) >= least, schema)


def _pattern(pattern: Pattern) -> Expected:
    regex = re.compile(pattern.regex)
    schema = {"type": "string", "pattern": pattern.regex, "expected": pattern.expected}
    return Expected(
        pattern.expected,
        pattern.many or f"texts, each {pattern.expected}",
        lambda value: isinstance(value, str | Path) and regex.search(str(value)) is not None,
        schema,
    )


def _choice(names: Sequence[Any]) -> Expected:
    text = " or ".join(map(str, names)) if len(names) < 4 else f"one of {', '.join(map(str, names))}"
    many = f"of {', '.join(map(str, names))}"
    return Expected(text, many, lambda value: value in names, {"enum": list(names)})


def _several(each: Expected | None, metadata: Sequence[Any]) -> Expected:
    least = next((entry.min_length for entry in metadata if isinstance(entry, MinLen)), 0)
    most = next((entry.max_length for entry in metadata if isinstance(entry, MaxLen)), None)
    unique = unique_items in metadata

    def holds(value: Any) -> bool:
        return (
            isinstance(value, list | tuple)
            and len(value) >= least
            and (most is None or len(value) <= most)
            and (each is None or all(map(each.holds, value)))
            and (not unique or len(set(value)) == len(value))
        )

    are_named = each is not None and each.many.startswith("of ")
    any_number = "any" if are_named else "a list of"
    count = f"at most {most}" if most is not None else "one or more" if least else any_number
    text = f"{most if least == most else count} {each.many if each else 'values'}"
    schema: dict[str, Any] = {"type": "array", **({"items": each.schema} if each else {})}
    schema |= {"maxItems": most} if most is not None else {}
    schema |= ({"minItems": least} if least else {}) | ({"uniqueItems": True} if unique else {})
    return Expected(text + (", each once" if unique else ""), f"lists, each {text}", holds, schema)


def _map(each: Expected | None) -> Expected:
    schema = {"type": "object", **({"additionalProperties": each.schema} if each else {})}
    return Expected(
        f"a map of {each.many}" if each else "a map",
        "maps",
        lambda value: isinstance(value, Mapping) and (each is None or all(map(each.holds, value.values()))),
        schema,
    )


def _keys_of(kind: type) -> Expected:
    options = options_of(kind)
    required = {option.name for option in options if option.is_required}
    expected = {option.name: option.expected for option in options}

    def holds(value: Any) -> bool:
        return (
            isinstance(value, Mapping)
            and required <= value.keys() <= expected.keys()
            and all(each is None or name not in value or each.holds(value[name]) for name, each in expected.items())
        )

    names = ", ".join(expected)
    return Expected(f"a map of {names}", f"maps of {names}", holds, object_schema(kind))


def _keys_in(hint: Any) -> type | None:
    """The dataclass of the first :class:`KeysOf` in a type hint, at any depth."""
    for part in (*getattr(hint, "__metadata__", ()), *get_args(hint)):
        kind = part.kind if isinstance(part, KeysOf) else _keys_in(part)
        if kind is not None:
            return kind
    return None


def _either(hints: Sequence[Any], or_none: bool) -> Expected | None:
    kinds = [expected_of(hint) for hint in hints]
    if not all(kinds):
        return None
    known = [kind for kind in kinds if kind is not None]
    texts = [kind.text for kind in known] + ["null"] * or_none
    schemas = [kind.schema for kind in known] + [{"type": "null"}] * or_none
    return Expected(
        " or ".join(texts),
        " or ".join([kind.many for kind in known]),
        lambda value: (or_none and value is None) or any(kind.holds(value) for kind in known),
        schemas[0] if len(schemas) == 1 else {"anyOf": schemas},
    )
