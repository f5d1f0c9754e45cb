"""The configuration held against its schema, and completed by the schema's defaults."""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import relevance
from jsonschema.validators import extend

from semid.addresses import shown
from semid.errors import InputError
from semid.methods import GIVEN_CODES, METHODS
from semid.naming import TokenizerName

Schema = dict[str, Any]

# The schema has eight levels.
DEEPEST = 20
# YAML aliases let a few lines stand for as many values as one likes.
MOST_VALUES = 1_000_000
# The most characters of a value in a message, and of a message.
LONGEST_VALUE, LONGEST_FAULT = 200, 2_000


@cache
def read_schema(path: Path) -> Schema:
    """The generated schema of the configuration."""
    schema: Schema = json.loads(path.read_text(encoding="utf-8"))
    return schema


def prepare_config(config: dict[str, Any], schema: Schema) -> None:
    """Check `config`, and put the schema's default in the place of every key that it does not have.

    A key whose value is null counts as one that is not there. Raises `InputError` with a line a fault, each of which
    names its key, what was expected and what was found.
    """
    _plain_values(config, (), {})
    _refuse_alike(config.get("datasets"))
    errors = sorted(Draft202012Validator(schema).iter_errors(config), key=relevance, reverse=True)
    if errors:
        causes = [cause for error in errors for cause in _causes(error)]
        faults = [
            f"{': '.join(map(str, cause.absolute_path)) or 'the config'}: {_shortened(_fault(cause), LONGEST_FAULT)}"
            for cause in causes
        ]
        raise InputError(
            "The configuration is wrong (docs/reference/configuration.md explains every key).\n"
            + shown("\n".join(faults))
        )
    # before defaults are filled in: afterwards the name of a space could be the user's or the default
    _check_earlier(config["datasets"])
    _Completing(schema).validate(config)


def with_search_switched_off(config: dict[str, Any], layers: Iterable[Mapping[str, Any]]) -> None:
    """Let `faiss: false` in one layer of a configuration leave the other keys of `faiss:` as other layers have them.

    `config` is what has become of `layers`, each a file or the options of the command line that lies over those
    before: there a map replaces `false`, and `false` a map.
    """
    values = [layer["faiss"] for layer in layers if isinstance(layer, Mapping) and layer.get("faiss") is not None]
    # on the command line, faiss=false is a text
    values = [{"enabled": False} if value is False or value == "false" else value for value in values]
    if {"enabled": False} in values and all(isinstance(value, Mapping) for value in values):
        config["faiss"] = {key: value[key] for value in values for key in value}


def _plain_values(section: Any, place: tuple[Any, ...], sizes: dict[int, int]) -> int:
    """Drop the keys of maps whose value is null, and return the number of values in `section`.

    `place` are the keys above it, `sizes` the numbers of maps and lists met before, 0 where one is not yet left.
    Raises `InputError` for keys that are no texts, for what contains itself, and for what is nested or repeated without
    end: what comes after may rely on it.
    """
    if not isinstance(section, Mapping | list | tuple):
        return 1
    where = ": ".join(map(str, place)) or "the config"
    size = sizes.get(id(section))
    if size == 0:
        raise InputError(f"{where}: a YAML alias (*name) that stands inside of its own anchor (&name) has no end")
    if size is not None:
        return size
    if len(place) > DEEPEST:
        raise InputError(f"{': '.join(map(str, place[:3]))}: … is nested more than {DEEPEST} levels deep")
    sizes[id(section)] = 0
    if isinstance(section, Mapping):
        for key in section:
            if not isinstance(key, str):
                raise InputError(f"{where}: {_key_that_is_no_text(key)}")
    if isinstance(section, dict):
        for key in [key for key, value in section.items() if value is None]:
            del section[key]
    inside = section.items() if isinstance(section, Mapping) else enumerate(section)
    size = 1 + sum(_plain_values(value, (*place, key), sizes) for key, value in inside)
    if size > MOST_VALUES:
        raise InputError(f"{where}: aliases (*name) make more than {MOST_VALUES:,} values of it")
    sizes[id(section)] = size
    return size


def _key_that_is_no_text(key: Any) -> str:
    """What is wrong with a key that YAML did not read as a text, and what to write."""
    if isinstance(key, bool):
        words = "yes, on or true" if key else "no, off or false"
        return f"a key is {words} without quotes, which YAML does not read as a text; write it in quotes"
    if key is None:
        return "a key is null, ~ or empty, which YAML does not read as a text; write it in quotes"
    return (
        f"the key {key} is no text but {type(key).__name__}, as YAML reads it without quotes; write it in quotes: "
        f'"{key}"'
    )


def _refuse_alike(datasets: Any) -> None:
    """Raise `InputError` for names of datasets that differ in case alone."""
    names: dict[str, str] = {}
    for name in datasets if isinstance(datasets, Mapping) else ():
        other = names.setdefault(name.casefold(), name)
        if other != name:
            raise InputError(
                f"datasets: {other!r} and {name!r} differ in case alone, and would be one folder where file systems do "
                "not tell upper from lower case: rename one of them"
            )


def _causes(error: ValidationError) -> list[ValidationError]:
    """The faults behind a fault: for an option "X or null" those of X, instead of "matches no alternative"."""
    choices = error.validator_value if error.validator == "anyOf" else []
    if len(choices) == 2 and choices[1] == {"type": "null"}:
        return [cause for inner in error.context or () if inner.schema_path[0] == 0 for cause in _causes(inner)]
    return [error]


class Named(Protocol):
    """A parsed name: its variant, empty without one, and the keys of the configuration that apply to it.

    `option_keys` gives the family first, and what overrules it in turn.
    """

    @property
    def name(self) -> str: ...

    @property
    def variant(self) -> str: ...

    def option_keys(self) -> tuple[str, ...]: ...


def resolved_options(config: Mapping[str, Any], section: str, schema: Schema, name: Named) -> dict[str, Any]:
    """Return all options of a name: the defaults of its family, overruled by its keys in a section of `config`.

    Raises `InputError` for a variant that no key of the section defines.
    """
    known = config[section]
    family, *particular = name.option_keys()
    if name.variant and not known.keys() & set(particular):
        variants = ", ".join(key for key in known if key.startswith(f"{family}-")) or "none"
        raise InputError(
            f"'{name.name}': the config defines no variant '{name.variant}' of {family} under `{section}:`; "
            f"defined: {variants}"
        )
    options = defaults_of(schema, family)
    for key in (family, *particular):
        options.update(known.get(key, {}))
    return options


def defaults_of(schema: Schema, definition: str) -> dict[str, Any]:
    """The defaults of the options under `$defs` of that name."""
    if definition not in schema["$defs"]:
        raise InputError(f"the schema knows no {definition}: run python -m semid.settings")
    options = schema["$defs"][definition]["properties"]
    return {name: option["default"] for name, option in options.items() if "default" in option}


def _check_earlier(datasets: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise `InputError` for a name under `load:` or `align:` that would silently be ignored."""
    for dataset, options in datasets.items():
        both = (options.get("load") or {}).keys() & (options.get("align") or {}).keys()
        if both:
            raise InputError(
                f"dataset '{dataset}' loads {min(both)} and aligns it too: codes of a tokenizer that is loaded are "
                "those that they were; align one that is trained"
            )
        for name in options.get("load") or {}:
            parsed = TokenizerName.parse(name)
            if parsed.repair:
                raise InputError(
                    f"dataset '{dataset}' loads {name}: load {parsed.native.name}, whose folder brings "
                    "its repaired codes"
                )
            given = GIVEN_CODES.get(parsed.method)
            if given:
                raise InputError(f"dataset '{dataset}' loads {name}: {given.not_loaded}")
        for name in options.get("align") or {}:
            parsed = TokenizerName.parse(name)
            if parsed.repair or parsed.method not in METHODS:
                raise InputError(
                    f"dataset '{dataset}' aligns {name}: name a tokenizer that is trained, such as rqkmeans_4x256; "
                    "repair comes after it"
                )


def _fault(error: ValidationError) -> str:
    """What is wrong, in the schema's own words if it has any."""
    schema = error.schema
    assert isinstance(schema, dict)
    if error.validator == "additionalProperties" and "properties" in schema:
        return f"{error.message}; the keys here are {', '.join(schema['properties'])}"
    if error.validator == "additionalProperties":
        return f"{error.message.partition(' d')[0]}: {schema['description']}"
    if error.validator == "dependentRequired":
        return _needed_beside(error)
    if "expected" in schema and error.validator != "required":
        return f"expected {schema['expected']}, found {_shown(error.instance)}"
    if error.validator in ("oneOf", "anyOf", "not", "pattern") and "description" in schema:
        return f"{_shown(error.instance)}: {schema['description']}"
    return error.message


def _needed_beside(error: ValidationError) -> str:
    """Say which key needs which other, and what that may be."""
    missing = ((key, other) for key, others in error.validator_value.items() for other in others)
    key, other = next(pair for pair in missing if pair[0] in error.instance and pair[1] not in error.instance)
    expected = error.schema.get("properties", {}).get(other, {}).get("expected", "")
    return f"{key} needs {other} beside it" + (f": {expected}" if expected else "")


def _shown(value: Any) -> str:
    return _shortened(repr(value), LONGEST_VALUE)


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest // 2]} … {text[-longest // 2 :]}"


def _complete_properties(
    validator: Any, properties: Mapping[str, Schema], instance: Any, schema: Schema
) -> Iterator[ValidationError]:
    """The keyword `properties`, which fills what is missing before it goes on."""
    if isinstance(instance, dict):
        for name, option in properties.items():
            if "default" in option:
                # a copy: the same schema completes every dataset
                instance.setdefault(name, json.loads(json.dumps(option["default"])))
    yield from Draft202012Validator.VALIDATORS["properties"](validator, properties, instance, schema)


_Completing = extend(Draft202012Validator, {"properties": _complete_properties})
