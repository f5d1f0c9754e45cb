"""What a saved tokenizer says of itself: the header of its `model.safetensors`, and the `config.json` made from it.

The header holds all that training decides; `config.json` adds the options that encoding alone reads, so that changing
one of those trains nothing again. Nothing here needs torch.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from semid.errors import InputError
from semid.files import write_text

MODEL_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
# the entry of the header's `__metadata__`
HEADER_ENTRY = "semid"
# a length beyond this is no header but whatever the file begins with, as safetensors itself has it
_LONGEST_HEADER = 100_000_000


def header_text(description: Mapping[str, Any]) -> str:
    """The JSON text of a header.

    `description`: `class`, the name of the class; `arguments`, those of its constructor without `metadata` and without
    the options that encoding alone reads; `at_encode`, the defaults of the latter; `fitted`, what `fit` reports;
    `metadata`. `InputError` when JSON cannot hold it.
    """
    return _json(description)


def read_header(model_path: str | Path) -> dict[str, Any] | None:
    """The description in the header of a `model.safetensors`, as :func:`header_text` took it; None where it has none.

    `InputError` when the file is no safetensors file.
    """
    try:
        with open(model_path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > _LONGEST_HEADER:
                raise ValueError("its header is too long")
            text = json.loads(file.read(length)).get("__metadata__", {}).get(HEADER_ENTRY)
        return None if text is None else json.loads(text)
    except (ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{model_path} is not a whole safetensors file ({error}); train or copy it again") from error


def config_text(description: Mapping[str, Any], at_encode_options: Mapping[str, Any]) -> str:
    """The text of `config.json`: the description of a header, with options that encoding alone reads.

    Options that are not given have their defaults. `InputError` for one that the class does not have.
    """
    unknown = [name for name in at_encode_options if name not in description["at_encode"]]
    if unknown:
        known = ", ".join(description["at_encode"]) or "none"
        raise InputError(
            f"{unknown[0]!r} is no option of {description['class']} that encoding alone reads; those are: {known}"
        )
    config = {
        "class": description["class"],
        "arguments": {**description["arguments"], **description["at_encode"], **at_encode_options},
        "fitted": description["fitted"],
        "metadata": description["metadata"],
    }
    return _json(config, indent=2) + "\n"


def write_config(model_path: str | Path, config_path: str | Path, at_encode_options: Mapping[str, Any]) -> None:
    """Write the `config.json` of a saved model, with `at_encode_options` in place of the defaults.

    `InputError` for an option that the class does not have, and for a model that was saved without a header.
    """
    description = read_header(model_path)
    if description is None:
        raise InputError(f"{model_path} does not say what it is: it was written before models did; train it again")
    write_text(config_path, config_text(description, at_encode_options))


def _json(content: Any, indent: int | None = None) -> str:
    try:
        return json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"metadata and options must be what JSON can hold, text, finite numbers, lists and maps: {error}"
        ) from error
