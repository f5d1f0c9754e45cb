"""A generator in its folder: `model.safetensors`, and the `config.json` that says how it was made and searches."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from semid.checks import options_of
from semid.errors import InputError
from semid.files import read_json
from semid.generative.files import Catalogue
from semid.generative.model import Generator
from semid.generative.settings import GeneratorSettings
from semid.pretrained import CONFIG_FILE, MODEL_FILE
from semid.quantizers.tensors import ADVICE, check_tensors, save_model


@dataclass(frozen=True, eq=False)
class SavedGenerator:
    """A generator that was read, and what its config says of its training: `epochs`, `epoch_kept` and `device`."""

    model: Generator
    fitted: dict[str, Any]
    metadata: dict[str, Any]


def search_options() -> dict[str, Any]:
    """Return the options that change how a generator searches, and nothing that it learns, with their defaults."""
    return {option.name: option.default for option in options_of(GeneratorSettings) if option.is_at_encode}


def save_generator(model: Generator, path: str | Path, fitted: dict[str, Any], metadata: dict[str, Any]) -> None:
    """Write `model.safetensors`, whose header says all that training decides; the config is made of it."""
    at_encode = search_options()
    names = [field.name for field in fields(GeneratorSettings) if field.name not in at_encode]
    description = {
        "class": "Generator",
        "arguments": {name: getattr(model.settings, name) for name in names},
        "at_encode": at_encode,
        "fitted": fitted,
        "metadata": metadata,
    }
    save_model(path, model.state_dict(), description)


def read_generator(folder: str | Path, catalogue: Catalogue) -> SavedGenerator:
    """Read a generator of the items of a catalogue.

    Raises `InputError` for files that are missing, damaged, or of a generator of other items or other codes.
    """
    folder = Path(folder)
    config = read_json(folder / CONFIG_FILE, "the config of a generator", f"; {ADVICE}")
    try:
        if config["class"] != "Generator":
            raise InputError(f"it is of a {config['class']}")
        settings = GeneratorSettings(**config["arguments"])
        fitted, metadata = dict(config["fitted"]), dict(config["metadata"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder / CONFIG_FILE} is not the config of a generator: {error!r}; {ADVICE}") from error
    model = catalogue.model(settings)
    try:
        # copies, because tensors of a file are aligned by its offsets, where kernels may sum in another order
        tensors = {name: tensor.clone() for name, tensor in load_file(folder / MODEL_FILE).items()}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{folder / MODEL_FILE} cannot be read ({error}); {ADVICE}") from error
    check_tensors(folder / MODEL_FILE, tensors, model.state_dict())
    model.load_state_dict(tensors)
    return SavedGenerator(model.eval(), fitted, metadata)
