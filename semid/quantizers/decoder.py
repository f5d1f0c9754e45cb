"""The base of tokenizers, and of codewords for codes that were made elsewhere: it decodes codes, is saved and read."""

import dataclasses
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import torch
from annotated_types import Ge
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from semid.checks import check_options, doc, options_of
from semid.errors import InputError
from semid.files import parse_json, write_text
from semid.methods import METHODS
from semid.pretrained import CONFIG_FILE, MODEL_FILE, config_text, read_header
from semid.quantizers.estimator import Estimator
from semid.quantizers.kernels.inputs import array_of_lists, check_codes
from semid.quantizers.tensors import ADVICE, check_tensors, checked_summary, save_model
from semid.registries import load

CodebookSize = Annotated[int, Ge(1), doc("How many values a code may take; where levels differ, at the largest.")]

# classes that are saved, although no method of the table makes them
_BESIDE_METHODS = ("semid.quantizers.external:ExternalCodes",)

# what a config that holds other values than ours raises, or a file of tensors that is broken
BROKEN = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    OSError,
    SafetensorError,
)


@dataclass(kw_only=True, eq=False, repr=False)
class Decoder(Estimator):
    """Turns codes [n, num_levels] back into vectors [n, dim], and can be saved and read.

    What is learnt ends in an underscore: `codebooks_` [L, K, d], and `cluster_sizes_` [L, K], which counts the training
    rows of each code. K is the largest size; beyond the size of a level both are zero, and no code names those rows.
    """

    # what arguments were that files of earlier versions do not name
    absent_arguments: ClassVar[dict[str, Any]] = {}

    num_levels: Annotated[int, Ge(1), doc("How many codes a semantic ID has.")] = 4
    codebook_size: CodebookSize = 256
    codebook_sizes: Annotated[
        tuple[Annotated[int, Ge(1)], ...] | None,
        doc(
            "Codebook sizes level by level, such as `[2048, 1024, 512]`; the largest is the K of the name. null gives "
            "every level K codes. A start must have the same sizes."
        ),
    ] = None
    metadata: Annotated[dict[str, Any], doc("Whatever JSON can hold and is to be kept with the model.")] = (
        dataclasses.field(default_factory=dict, repr=False)
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            setattr(self, field.name, plain(getattr(self, field.name)))
        check_options(self)
        if self.codebook_sizes is not None and len(self.codebook_sizes) != self.num_levels:
            raise InputError(
                f"codebook_sizes must be one for each of {self.num_levels} levels (num_levels), "
                f"got {len(self.codebook_sizes)}: {self.codebook_sizes}"
            )
        if max(self.sizes) != self.codebook_size:
            raise InputError(
                f"the largest of codebook_sizes must be codebook_size, which is {self.codebook_size}, "
                f"got {max(self.sizes)} in {self.codebook_sizes}"
            )

    @property
    def sizes(self) -> tuple[int, ...]:
        """The codebook size of every level."""
        return self.codebook_sizes or (self.codebook_size,) * self.num_levels

    @property
    def no_encoder(self) -> str:
        """Where it cannot encode: why, and what to do about it."""
        return ""

    @property
    def dim(self) -> int:
        """The width of the vectors that it was fitted on."""
        raise NotImplementedError

    def latent(self, rows: Tensor) -> Tensor:
        """Return the latent vectors [n, d] of rows float32 [n, dim], which the sum of their codewords approximates."""
        raise NotImplementedError

    def _decode_block(self, codes: Tensor) -> Tensor:
        """Return the vectors float32 [n, dim] that int64 codes [n, L] stand for."""
        raise NotImplementedError

    def _state(self) -> dict[str, Tensor]:
        """Return every learnt tensor by its name."""
        raise NotImplementedError

    def fit_summary(self) -> dict[str, Any]:
        """Return what `fit` reports of itself: `dim`, and for the autoencoders `epoch_kept` and `rollbacks`."""
        return {"dim": self.dim}

    def _tensors(self, dim: int) -> dict[str, Tensor]:
        """Return what `_state` would after a fit on vectors of width `dim`: dtypes and shapes, without values."""
        raise NotImplementedError

    def _load(self, state: dict[str, Tensor], fitted: dict[str, Any]) -> None:
        """Take back what `_state` and `fit_summary` gave."""
        raise NotImplementedError

    def to(self, device: str) -> Self:
        """Move the learnt tensors to a device."""
        raise NotImplementedError

    def _code_tensors(self, level: int) -> list[Tensor]:
        """Return the learnt tensors [≥ size, …] of a level that have a row for each code, to be written to."""
        raise NotImplementedError

    def renumber(self, orders: Sequence[np.ndarray]) -> None:
        """Call codes by other numbers: at each level code j is from now on what was code `order[j]`.

        `orders` holds a permutation int64 [size] of the codes of each level. Nothing else changes.
        """
        self._check_fitted()
        for level, (order, size) in enumerate(zip(orders, self.sizes, strict=True)):
            if not np.array_equal(np.sort(order), np.arange(size)):
                raise ValueError(f"level {level + 1}: no permutation of the {size} codes")
            for tensor in self._code_tensors(level):
                tensor[:size] = tensor[torch.as_tensor(order, device=tensor.device)]

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return vectors float32 [n, dim] of integer codes [n, num_levels]; decode a catalogue in blocks."""
        self._check_fitted()
        checked = check_codes(codes, self.sizes)
        device = next(iter(self._state().values())).device
        with torch.inference_mode():
            return self._decode_block(checked.to(device)).cpu().numpy()

    def save_model(self, path: str | Path) -> None:
        """Write the learnt tensors to one file, as :func:`semid.quantizers.tensors.save_model` does."""
        self._check_fitted()
        save_model(path, self._state(), self._description())

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `model.safetensors` (see `save_model`) and `config.json` (class, constructor arguments, metadata).

        When JSON cannot hold the metadata, `InputError` is raised and the files in the folder stay as they are.
        """
        self._check_fitted()
        folder = Path(folder)
        text = config_text(self._description(), {name: getattr(self, name) for name in _at_encode(type(self))})
        self.save_model(folder / MODEL_FILE)
        write_text(folder / CONFIG_FILE, text)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Read what `save_pretrained` wrote; `Decoder` reads any class, and `Tokenizer` any class that can encode.

        Raises `FileNotFoundError` where a file is missing, and `InputError` for another class or a damaged file.
        """
        folder = Path(folder)
        for name in (CONFIG_FILE, MODEL_FILE):
            if not (folder / name).is_file():
                raise FileNotFoundError(f"{folder} is no tokenizer folder: it has no {name}")
        return cls._read(folder, folder / MODEL_FILE, lambda: _read_config(folder))

    @classmethod
    def from_model(cls, path: str | Path) -> Self:
        """Read what `save_model` wrote; the options that only encoding reads are at their defaults.

        A file that was written before models had a header is read with the `config.json` beside it.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such model")

        def description() -> dict[str, Any]:
            header = read_header(path) or _read_config(path.parent)
            at_encode = _at_encode(_class_named(header["class"]))
            arguments = {name: value for name, value in header["arguments"].items() if name not in at_encode}
            return {**header, "arguments": arguments}

        return cls._read(path, path, description)

    @classmethod
    def _read(cls, place: Path, model: Path, describe: Callable[[], dict[str, Any]]) -> Self:
        """Make the object that `describe` describes, with the tensors of the file `model`; errors name `place`."""
        try:
            description = describe()
            kind = _class_named(description["class"])
            decoder = kind(**kind.absent_arguments | description["arguments"], metadata=description["metadata"])
            fitted = checked_summary(description["fitted"])
            # copies, because tensors of a file are aligned by its offsets, where kernels may sum in another order
            state = {name: tensor.clone() for name, tensor in load_file(model).items()}
            check_tensors(model, state, decoder._tensors(fitted["dim"]))
            decoder._load(state, fitted)
        except InputError as error:
            raise InputError(f"{place} cannot be read as a tokenizer: {error}; {ADVICE}") from error
        except FileNotFoundError:
            raise
        except BROKEN as error:
            raise InputError(f"{place} cannot be read as a tokenizer: {error!r}; {ADVICE}") from error
        if not isinstance(decoder, cls):
            advice = f": {decoder.no_encoder}" if decoder.no_encoder else ""
            raise InputError(f"{place} holds a {kind.__name__}, expected {cls.__name__}{advice}")
        return decoder

    def _description(self) -> dict[str, Any]:
        """Return the description of the object that its header holds."""
        at_encode = _at_encode(type(self))
        fields = [field.name for field in dataclasses.fields(self) if field.init and field.name != "metadata"]
        return {
            "class": type(self).__name__,
            "arguments": {name: getattr(self, name) for name in fields if name not in at_encode},
            "at_encode": at_encode,
            "fitted": self.fit_summary(),
            "metadata": self.metadata,
        }


class DecodedVectors:
    """The vectors [n, dim] that codes [n, L] stand for; rows are decoded when they are asked for."""

    def __init__(self, decoder: Decoder, codes: np.ndarray) -> None:
        self._decoder, self._codes = decoder, array_of_lists(codes, "codes")
        self.shape = (len(codes), decoder.dim)

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self._decoder.decode(self._codes[rows])


def plain(value: Any) -> Any:
    """Turn numbers of numpy into those of Python and sequences into tuples, as options hold them.

    Anything else is returned as it is, and so is a tuple in which nothing changes.
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple | np.ndarray):
        values = tuple(map(plain, value))
        # clone of scikit-learn asks for the very object that it gave
        is_plain = type(value) is tuple and all(map(operator.is_, value, values))
        return value if is_plain else values
    return value


def _at_encode(kind: type[Decoder]) -> dict[str, Any]:
    """Return the options of a class that only encoding reads, with their defaults."""
    return {option.name: option.default for option in options_of(kind) if option.is_at_encode}


def _read_config(folder: Path) -> dict[str, Any]:
    """Return the content of the `config.json` in a folder."""
    return parse_json((folder / CONFIG_FILE).read_text(encoding="utf-8"))


def _class_named(name: str) -> type[Decoder]:
    """Return the class of a saved model by its name; raise `KeyError` for an unknown one."""
    implementations = (*(method.implementation for method in METHODS.values()), *_BESIDE_METHODS)
    return load({text.partition(":")[2]: text for text in implementations}[name])
