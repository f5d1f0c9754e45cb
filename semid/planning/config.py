"""The configuration held against its schema, and completed by the schema's defaults."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import relevance
from jsonschema.validators import extend

from semid.addresses import shown
from semid.errors import InputError
from semid.methods import METHODS
from semid.naming import TokenizerName

Schema = dict[str, Any]


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
    _drop_nulls(config)
    errors = sorted(Draft202012Validator(schema).iter_errors(config), key=relevance, reverse=True)
    if errors:
        causes = [cause for error in errors for cause in _causes(error)]
        faults = [f"{': '.join(map(str, cause.absolute_path)) or 'the config'}: {_fault(cause)}" for cause in causes]
        raise InputError(
            "The configuration is wrong (docs/configuration.md explains every key).\n" + shown("\n".join(faults))
        )
    # before defaults are filled in: afterwards the name of a space could be the user's or the default
    _check_loaded(config["datasets"])
    _Completing(schema).validate(config)


def _drop_nulls(section: dict[str, Any]) -> None:
    for key in [key for key, value in section.items() if value is None]:
        del section[key]
    for value in section.values():
        if isinstance(value, dict):
            _drop_nulls(value)


def _causes(error: ValidationError) -> list[ValidationError]:
    """The faults behind a fault: for an option "X or null" those of X, instead of "matches no alternative"."""
    choices = error.validator_value if error.validator == "anyOf" else []
    if len(choices) == 2 and choices[1] == {"type": "null"}:
        return [cause for inner in error.context or () if inner.schema_path[0] == 0 for cause in _causes(inner)]
    return [error]


def defaults_of(schema: Schema, definition: str) -> dict[str, Any]:
    """The defaults of the options under `$defs` of that name."""
    if definition not in schema["$defs"]:
        raise InputError(f"the schema knows no {definition}: run python -m semid.settings")
    options = schema["$defs"][definition]["properties"]
    return {name: option["default"] for name, option in options.items() if "default" in option}


def _check_loaded(datasets: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise `InputError` for a name under `load:` that is not loaded: it would silently be trained anew."""
    for dataset, options in datasets.items():
        embeddings = options.get("embeddings", {})
        for name in options.get("load") or {}:
            if TokenizerName.parse(name).method not in METHODS:
                raise InputError(
                    f"dataset '{dataset}' loads {name}: codes made elsewhere are not loaded but named under "
                    "`external:`, those of all items"
                )
            if {"vectors", "table"} & embeddings.keys() and "space" not in embeddings:
                raise InputError(
                    f"dataset '{dataset}' loads {name} for its own vectors: name their space (embeddings: space: …) "
                    "here and in the dataset that trained it, the same where the same model made the vectors"
                )


def _fault(error: ValidationError) -> str:
    """What is wrong, in the schema's own words if it has any."""
    schema = error.schema
    assert isinstance(schema, dict)
    if error.validator == "additionalProperties" and "properties" in schema:
        return f"{error.message}; the keys here are {', '.join(schema['properties'])}"
    if error.validator == "additionalProperties":
        return f"{error.message.partition(' d')[0]}: {schema['description']}"
    if "expected" in schema and error.validator not in ("required", "dependentRequired"):
        return f"expected {schema['expected']}, found {error.instance!r}"
    if error.validator in ("oneOf", "anyOf", "not", "pattern") and "description" in schema:
        return f"{error.instance!r}: {schema['description']}"
    return error.message


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
