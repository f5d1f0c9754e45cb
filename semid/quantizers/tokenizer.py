"""The contract of all tokenizers: fit, encode, decode, save_pretrained, from_pretrained."""

import dataclasses
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from semid.errors import InputError
from semid.files import whole_file, write_text
from semid.quantizers.blocks import (
    Vectors,
    check_codes,
    check_vectors,
    empty_tensor,
    float32_blocks,
    gather_float32,
    sample_rows,
)
from semid.quantizers.options import check_counts, check_options, is_count, plain

logger = logging.getLogger(__name__)

# JSON readers agree on integers below it, and the thousandfold, of which each level of k-means takes one, fits 64 bits
SEEDS = 2**53


@dataclass(frozen=True)
class Compute:
    """Where and in which blocks to compute; changes speed and memory, never what is learnt.

    `device`: a torch device; `batch_size`: rows encoded at once; `codeword_block`: codewords compared at once, except
    by a beam, which compares fewer rows with all of a level. `scratch`: a folder for the training rows, and what is as
    large, in files that need no memory; None is memory. On another device than the CPU its own memory holds them.
    """

    device: str = "cpu"
    batch_size: int = 2048
    codeword_block: int = 1024
    scratch: str | Path | None = None

    def __post_init__(self) -> None:
        check_counts(self, 1, "batch_size", "codeword_block")


ON_CPU = Compute()


@dataclass(kw_only=True, eq=False)
class Tokenizer:
    """Turns vectors [n, dim] into codes [n, num_levels] of values 0 … codebook_size − 1, and back.

    `num_levels`: codes a semantic ID. `codebook_size`: values a code may take. `max_train`: rows that training sees,
    a seeded sample of them when there are more; 0 takes all. `seed`, below 2^53: fixes sample, initial values and
    order. `metadata`: anything that JSON can hold. State learnt by `fit` ends in an underscore: `codebooks_` [L, K, d]
    and `cluster_sizes_` [L, K], training rows a code.
    """

    num_levels: int = 4
    codebook_size: int = 256
    max_train: int = 200_000
    seed: int = 0
    metadata: dict[str, Any] = dataclasses.field(default_factory=dict, repr=False)

    _classes: ClassVar[dict[str, type["Tokenizer"]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        Tokenizer._classes[cls.__name__] = cls

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            setattr(self, field.name, plain(getattr(self, field.name)))
        check_counts(self, 1, "num_levels", "codebook_size")
        check_counts(self, 0, "max_train")
        check_options(
            self, f"a whole number from 0 to {SEEDS - 1}", lambda seed: is_count(seed, 0) and seed < SEEDS, "seed"
        )

    @property
    def dim(self) -> int:
        """Width of the vectors it was fitted on."""
        raise NotImplementedError

    def fit(self, vectors: Vectors, compute: Compute = ON_CPU) -> Self:
        """Learn from vectors [n, dim]; `InputError` when there are fewer training rows than codes a level."""
        raise NotImplementedError

    def _encoder(self, compute: Compute) -> Callable[[Tensor], Tensor]:
        """A function from float32 rows [n, dim], which it may overwrite, to codes int64 [n, L]."""
        raise NotImplementedError

    def latent(self, rows: Tensor) -> Tensor:
        """Rows float32 [n, dim] in the space of the codebooks, [n, d]: where an item's codewords add up to it."""
        raise NotImplementedError

    def _decode_block(self, codes: Tensor) -> Tensor:
        """Vectors float32 [n, dim] that int64 codes [n, L] stand for."""
        raise NotImplementedError

    def _state(self) -> dict[str, Tensor]:
        """Every learnt tensor by name."""
        raise NotImplementedError

    def fit_summary(self) -> dict[str, Any]:
        """What `fit` reports of itself: `dim`, and for the autoencoders `epoch_kept` and `rollbacks`."""
        return {"dim": self.dim}

    def _load(self, state: dict[str, Tensor], fitted: dict[str, Any]) -> None:
        """Take back what `_state` and `fit_summary` gave."""
        raise NotImplementedError

    def to(self, device: str) -> Self:
        """Move the learnt tensors to a device."""
        raise NotImplementedError

    def encode(
        self,
        vectors: Vectors,
        compute: Compute = ON_CPU,
        progress: Callable[[int], object] | None = None,
    ) -> np.ndarray:
        """Codes of vectors [n, dim], uint16 [n, num_levels] (uint32 above 65,536 codes a level).

        `progress` is called with the number of rows after each block.
        """
        self._check_fitted()
        check_vectors(vectors, self.dim)
        self.to(compute.device)
        dtype = np.uint16 if self.codebook_size <= 65_536 else np.uint32
        codes = np.empty((vectors.shape[0], self.num_levels), dtype=dtype)
        with torch.inference_mode():
            encode = self._encoder(compute)
            for start, rows in float32_blocks(vectors, compute.batch_size, compute.device):
                codes[start : start + len(rows)] = encode(rows).cpu().numpy().astype(dtype)
                if progress is not None:
                    progress(len(rows))
        return codes

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Vectors float32 [n, dim] of integer codes [n, num_levels]; decode a catalogue in blocks."""
        self._check_fitted()
        checked = check_codes(codes, self.num_levels, self.codebook_size)
        device = next(iter(self._state().values())).device
        with torch.inference_mode():
            return self._decode_block(checked.to(device)).cpu().numpy()

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `config.json` (class, constructor arguments, metadata) and `model.safetensors` (learnt tensors).

        `InputError`, and what is in the folder stays, when JSON cannot hold the metadata.
        """
        self._check_fitted()
        folder = Path(folder)
        arguments = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.init}
        metadata = arguments.pop("metadata")
        config = {
            "class": type(self).__name__,
            "arguments": arguments,
            "fitted": self.fit_summary(),
            "metadata": metadata,
        }
        try:
            text = json.dumps(config, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        except (TypeError, ValueError) as error:
            raise InputError(
                f"metadata and options must be what JSON can hold, text, finite numbers, lists and maps: {error}"
            ) from error
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self._state().items()}
        folder.mkdir(parents=True, exist_ok=True)
        # without its config.json a folder is no tokenizer: an interruption never pairs a new file with an old one
        (folder / "config.json").unlink(missing_ok=True)
        with whole_file(folder / "model.safetensors") as temporary:
            save_file(tensors, temporary)
        write_text(folder / "config.json", text)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Read a tokenizer that `save_pretrained` wrote; `Tokenizer.from_pretrained` reads any of them."""
        folder = Path(folder)
        for name in ("config.json", "model.safetensors"):
            if not (folder / name).is_file():
                raise FileNotFoundError(f"{folder} is no tokenizer folder: it has no {name}")
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            kind = Tokenizer._classes[config["class"]]
            tokenizer = kind(**config["arguments"], metadata=config["metadata"])
            # cloned: tensors of a file lie at its offsets, where kernels may sum in another order
            state = {name: tensor.clone() for name, tensor in load_file(folder / "model.safetensors").items()}
            tokenizer._load(state, config["fitted"])
        except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise InputError(f"{folder} cannot be read as a tokenizer: {error!r}; train or copy it again") from error
        if not isinstance(tokenizer, cls):
            raise InputError(f"{folder} holds a {kind.__name__}, expected {cls.__name__}")
        return tokenizer

    def _check_fitted(self) -> None:
        if not hasattr(self, "cluster_sizes_"):
            raise InputError(f"this {type(self).__name__} is not fitted: call fit, or read one by from_pretrained")

    def _forget(self) -> None:
        """Count as not fitted from here until `fit` sets `cluster_sizes_`, last."""
        vars(self).pop("cluster_sizes_", None)

    def _training_rows(self, vectors: Vectors, compute: Compute) -> Tensor:
        """The training rows as float32 [n, dim] on the CPU: all, or a seeded sample of `max_train`."""
        check_vectors(vectors)
        rows = sample_rows(vectors.shape[0], self.max_train, self.seed)
        n = vectors.shape[0] if rows is None else len(rows)
        if self.codebook_size > n:
            raise InputError(
                f"a codebook of {self.codebook_size} codes needs at least as many training rows, there are {n}: "
                "choose a smaller codebook or train on more items"
            )
        if n < 2 * self.codebook_size:
            logger.warning(
                "%d training rows for %d codes: fewer than two a code, codes follow single rows", n, self.codebook_size
            )
        return gather_float32(vectors, rows, compute.scratch)

    def _latent_rows(self, rows: Tensor, compute: Compute) -> Tensor:
        """`latent` of rows [n, dim], block by block, [n, d] on the device."""
        n, d = len(rows), self.latent(rows[:1].to(compute.device)).shape[1]
        on_cpu = torch.device(compute.device).type == "cpu"
        out = empty_tensor(n, d, scratch=compute.scratch) if on_cpu else torch.empty(n, d, device=compute.device)
        for part, target in zip(rows.split(compute.batch_size), out.split(compute.batch_size), strict=True):
            target.copy_(self.latent(part.to(compute.device)))
        return out


class DecodedVectors:
    """The vectors [n, dim] that codes [n, L] stand for, decoded when rows are asked for."""

    def __init__(self, tokenizer: Tokenizer, codes: np.ndarray) -> None:
        self._tokenizer, self._codes = tokenizer, codes
        self.shape = (len(codes), tokenizer.dim)

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self._tokenizer.decode(self._codes[rows])
