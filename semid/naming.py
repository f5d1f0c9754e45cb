"""The names of tokenizers, parsed here and nowhere else. Standard library only: Snakemake imports it while planning."""

import math
import re
from dataclasses import dataclass, replace
from typing import Self

from semid.errors import InputError

RESIDUAL_METHODS = ("rqkmeans", "rqvae")
METHODS = (*RESIDUAL_METHODS, "vqvae", "external")
RESERVED = ("embeddings", "faiss", "controls", "peers", "bench")

_VARIANT_AND_SEED = r"(?:-(?P<variant>(?!s\d)[a-z][a-z0-9_]*))?(?:-s(?P<seed>[1-9]\d*))?"
_RESIDUAL = r"_(?P<num_levels>[1-9]\d*)x(?P<codebook_size>[1-9]\d*)"
_FLAT = r"_(?P<codebook_size>[1-9]\d*)"
_EXTERNAL = r"_(?P<variant>[a-z][a-z0-9_]*)"

GRAMMAR = (
    "<method>_<size>[-<variant>][-s<seed>]: rqkmeans_LxK, rqvae_LxK (L levels of K codes) or vqvae_K, then a variant "
    "defined under `tokenizers:` in the config, then a seed other than 0; "
    "examples: rqkmeans_4x256, rqvae_3x512-s1, rqvae_4x256-tiger, vqvae_4096; "
    "or external_<name>: codes made elsewhere, which the dataset names under `external:`"
)


def _pattern(method: str) -> str:
    if method == "external":
        return method + _EXTERNAL
    return method + (_RESIDUAL if method in RESIDUAL_METHODS else _FLAT) + _VARIANT_AND_SEED


def name_pattern(method: str) -> str:
    """Regular expression for every well-formed name of a method, without named groups."""
    return re.sub(r"\?P<\w+>", "", _pattern(method))


@dataclass(frozen=True)
class TokenizerName:
    """A tokenizer's name taken apart: `rqvae_4x256-tiger-s1` is rqvae, 4 levels of 256 codes, tiger, seed 1.

    `external_letter` is external, variant letter; it says nothing of a size, which is 0 x 0 until `with_size` gives
    that of the codes.
    """

    method: str
    num_levels: int
    codebook_size: int
    variant: str = ""
    seed: int = 0

    @classmethod
    def parse(cls, name: str) -> Self:
        """Take `name` apart; an `InputError` shows the grammar when it is malformed."""
        method = name.partition("_")[0]
        if method in METHODS:
            found = re.fullmatch(_pattern(method), name, flags=re.ASCII)
            if found:
                parts = found.groupdict()
                if method == "external":
                    return cls(method=method, num_levels=0, codebook_size=0, variant=parts["variant"])
                return cls(
                    method=method,
                    num_levels=int(parts.get("num_levels") or 1),
                    codebook_size=int(parts["codebook_size"]),
                    variant=parts["variant"] or "",
                    seed=int(parts["seed"] or 0),
                )
        raise InputError(f"'{name}' is no tokenizer name. Expected {GRAMMAR}. Seed 0 has no suffix.")

    @property
    def name(self) -> str:
        """The name of the tokenizer and of its output folder."""
        if self.method == "external":
            return f"{self.method}_{self.variant}"
        return f"{self.size_name}{f'-{self.variant}' if self.variant else ''}{f'-s{self.seed}' if self.seed else ''}"

    @property
    def size_name(self) -> str:
        """Method and size alone, such as `rqvae_4x256`."""
        size = f"{self.num_levels}x{self.codebook_size}" if self.method in RESIDUAL_METHODS else f"{self.codebook_size}"
        return f"{self.method}_{size}"

    @property
    def is_flat(self) -> bool:
        """Whether a code is a single token rather than a string of levels."""
        return self.method == "vqvae"

    @property
    def bits(self) -> float:
        """Nominal bits of a semantic ID: levels times log2 of the codebook size."""
        return self.num_levels * math.log2(self.codebook_size)

    def with_seed(self, seed: int) -> Self:
        """The same tokenizer trained with another seed; codes made elsewhere are what they are."""
        return self if self.method == "external" else replace(self, seed=seed)

    def with_size(self, num_levels: int, codebook_size: int) -> Self:
        """The same name, knowing the size of its codes: an external one does not carry it."""
        return replace(self, num_levels=num_levels, codebook_size=codebook_size)

    def option_keys(self) -> tuple[str, ...]:
        """Keys of `tokenizers:` in the config that apply to this name: method, variant, full name; the last wins."""
        keys = [self.method]
        if self.variant:
            keys.append(f"{self.method}-{self.variant}")
        return tuple(dict.fromkeys([*keys, self.with_seed(0).name, self.name]))

    def starts_from(self, init: str) -> Self:
        """The tokenizer that `init` (such as `rqkmeans-pca32`) names: the same size and seed, its own variant."""
        method, _, variant = init.partition("-")
        return replace(self, method=method, variant=variant)


def part_name(shard: int, shards: int) -> str:
    """File name of one shard's part."""
    return f"part-{shard:05d}-of-{shards:05d}.npy"
