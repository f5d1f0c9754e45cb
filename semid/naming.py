"""The names of tokenizers, parsed here and nowhere else. Standard library only: Snakemake imports it while planning."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self, get_args

from semid.errors import InputError
from semid.methods import GIVEN_CODES, METHODS, Form, Kind

RESERVED = ("embeddings", "faiss", "controls", "peers", "bench")
# How the codes of a tokenizer may be repaired, and the folders below its own that hold such codes. What begins like one
# is a slip of one, and no generator.
RepairMode = Literal["assign", "suffix"]
REPAIRS: tuple[RepairMode, ...] = get_args(RepairMode)
REPAIR_FOLDER = r"repair[^/]*"
# The longest name of a folder: file systems take 255 bytes, and files in it have longer paths.
LONGEST_NAME = 100
# Snakemake takes a name whose end is there twenty times in a row for a circle of rules.
REPEATED_END = r"(.+)\1{19}$"

_VARIANT = r"(?:-(?P<variant>(?!s\d)[a-z][a-z0-9_]*))?"
_SEED = r"(?:-s(?P<seed>[1-9]\d*))?"
# a thousand levels and more are a slip of the pen, and a tuple of their sizes could fill the memory
_LEVELS = r"_(?P<num_levels>[1-9]\d{0,2})x(?P<codebook_size>[1-9]\d*)"
_FLAT = r"_(?P<codebook_size>[1-9]\d*)"
# what follows the word with which names of codes begin that no vectors made: for a parser, and for a reader
_FORMS: dict[Form, tuple[str, str]] = {
    "size": (_LEVELS + _SEED, "_LxK[-s<seed>]"),
    "name": (r"_(?P<variant>[a-z][a-z0-9_]*)", "_<name>"),
    "variant": (_VARIANT, "[-<variant>]"),
}

# what a size looks like, and what it means
_SIZES: dict[Kind, tuple[str, str]] = {
    "residual": ("LxK", "L levels of K codes"),
    "product": ("LxK", "L sub-spaces of K codes"),
    "flat": ("K", "one codebook of K codes"),
}


def grammar() -> str:
    """How a name is formed, in a sentence."""
    forms = []
    for kind, (size, meaning) in _SIZES.items():
        names = [f"{method.name}_{size}" for method in METHODS.values() if method.kind == kind]
        if names:
            forms.append(f"{', '.join(names)} ({meaning})")
    given = [f"{codes.name}{_FORMS[codes.form][1]}: {codes.description}" for codes in GIVEN_CODES.values()]
    return (
        f"<method>_<size>[-<variant>][-s<seed>]: {' or '.join(forms)}, then a variant "
        "defined under `tokenizers:` in the config, then a seed other than 0; "
        "examples: rqkmeans_4x256, rqvae_3x512-s1, rqvae_4x256-tiger, vqvae_4096; "
        f"or {'; or '.join(given)}; at most {LONGEST_NAME} characters. "
        f"/repair-{' or /repair-'.join(REPAIRS)} behind a name means its codes, one item an ID"
    )


def _is_flat(method: str) -> bool:
    return method in METHODS and METHODS[method].kind == "flat"


def _pattern(method: str) -> str:
    if method in GIVEN_CODES:
        return method + _FORMS[GIVEN_CODES[method].form][0]
    return method + (_FLAT if _is_flat(method) else _LEVELS) + _VARIANT + _SEED


def name_pattern(method: str) -> str:
    """Regular expression for every well-formed name of a method, or of given codes, without named groups."""
    return re.sub(r"\?P<\w+>", "", _pattern(method))


def check_folder_name(name: str, owner: str) -> None:
    """Raise `InputError` for the name of a folder that is too long, or that Snakemake takes for a circle of rules.

    `owner` says in words what has the name.
    """
    if len(name) > LONGEST_NAME:
        raise InputError(
            f"'{name[:20]}…' is no name of {owner}: it has {len(name)} characters, and {LONGEST_NAME} are the most"
        )
    if repeated := re.search(REPEATED_END, name, flags=re.DOTALL):
        raise InputError(
            f"'{name}' is no name of {owner}: its end repeats '{repeated[1]}' twenty times or more, which Snakemake "
            "takes for a circle of rules"
        )


def option_key_patterns(method: str) -> tuple[str, str]:
    """Regular expressions of the keys under `tokenizers:` that are of a method: itself and its variants; full names."""
    variant = re.sub(r"\?P<\w+>", "", _VARIANT)
    # a $ alone would let a newline at the end pass
    return rf"^{method}{variant}$(?!\n)", rf"^{name_pattern(method)}$(?!\n)"


def nominal_bits(sizes: Sequence[int]) -> float:
    """Bits of a semantic ID whose levels have codebooks of these sizes: the sum of their log2."""
    # a product for equal sizes, which rounds once
    return sum(levels * math.log2(size) for size, levels in Counter(sizes).items())


@dataclass(frozen=True)
class TokenizerName:
    """A tokenizer's name taken apart: `rqvae_4x256-tiger-s1` is rqvae, 4 levels of 256 codes, tiger, seed 1.

    `sizes` are those of the codebooks, level by level, equal as a name gives them. `external_letter` is external,
    variant letter, and `category` says its method alone; their sizes are empty until `with_sizes` gives those of the
    codes. `rqkmeans_4x256/repair-assign` are the codes of rqkmeans_4x256 after the repair assign; `repair` is None for
    native codes.
    """

    method: str
    sizes: tuple[int, ...]
    variant: str = ""
    seed: int = 0
    repair: RepairMode | None = None
    # the sizes of which the name was made, where `sizes` are those of the codes, which may have a level more
    _named_sizes: tuple[int, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def parse(cls, name: str) -> Self:
        """Take `name` apart; an `InputError` shows the grammar when it is malformed.

        Codes of one level have no prefix under which others could be assigned: `InputError` offers the other repair.
        """
        check_folder_name(name, "a tokenizer")
        native, slash, folder = name.partition("/")
        method = re.split("[_-]", native, maxsplit=1)[0]
        mode = next((mode for mode in REPAIRS if folder == f"repair-{mode}"), None)
        if (mode or not slash) and (method in METHODS or method in GIVEN_CODES):
            found = re.fullmatch(_pattern(method), native, flags=re.ASCII)
            if found:
                parts = found.groupdict()
                size = parts.get("codebook_size")
                parsed = cls(
                    method=method,
                    sizes=(int(size),) * int(parts.get("num_levels") or 1) if size else (),
                    variant=parts.get("variant") or "",
                    seed=int(parts.get("seed") or 0),
                    repair=mode,
                )
                if mode == "assign" and parsed.num_levels == 1:
                    raise InputError(
                        f"'{name}': {native} has codes of one level, and no prefix under which another code would be "
                        f"near: ask for {native}/repair-suffix"
                    )
                return parsed
        raise InputError(f"'{name}' is no tokenizer name. Expected {grammar()}. Seed 0 has no suffix.")

    @property
    def name(self) -> str:
        """The name of the tokenizer and of its output folder, that of its repaired codes below its own."""
        return f"{self._native_name}/repair-{self.repair}" if self.repair else self._native_name

    @property
    def native(self) -> Self:
        """The tokenizer itself, whose codes are repaired."""
        return replace(self, repair=None)

    @property
    def _native_name(self) -> str:
        form = self._form_of_given_codes
        if form == "name":
            return f"{self.method}_{self.variant}"
        start = self.method if form == "variant" else self.size_name
        return f"{start}{f'-{self.variant}' if self.variant else ''}{f'-s{self.seed}' if self.seed else ''}"

    @property
    def _form_of_given_codes(self) -> Form | None:
        """What follows the method in the name of codes that no vectors made; None for a method."""
        return GIVEN_CODES[self.method].form if self.method in GIVEN_CODES else None

    @property
    def size_name(self) -> str:
        """Method and size alone, such as `rqvae_4x256`."""
        sizes = self._named_sizes or self.sizes
        largest = max(sizes, default=0)
        return f"{self.method}_{largest}" if _is_flat(self.method) else f"{self.method}_{len(sizes)}x{largest}"

    @property
    def num_levels(self) -> int:
        """Codes of a semantic ID; 0 where that is not known."""
        return len(self.sizes)

    @property
    def codebook_size(self) -> int:
        """Size of the largest codebook; 0 where that is not known."""
        return max(self.sizes, default=0)

    @property
    def is_flat(self) -> bool:
        """Whether a code is a single token rather than a string of levels; a suffix adds a level."""
        return _is_flat(self.method) and not self.repair

    @property
    def bits(self) -> float:
        """Nominal bits of a semantic ID, :func:`nominal_bits` of the sizes."""
        return nominal_bits(self.sizes)

    def with_seed(self, seed: int) -> Self:
        """The same tokenizer with another seed; codes whose names have no seed are what they are."""
        return self if self._form_of_given_codes in ("name", "variant") else replace(self, seed=seed)

    def with_sizes(self, sizes: Sequence[int]) -> Self:
        """The same name, knowing the size of every codebook, that of a suffix included.

        A name tells the size of the largest codebook at most, and nothing of a suffix.
        """
        return replace(self, sizes=tuple(sizes), _named_sizes=self._named_sizes or self.sizes)

    def option_keys(self) -> tuple[str, ...]:
        """Keys of `tokenizers:` in the config that apply to this name: method, variant, full name; the last wins.

        Repaired codes have the options of their tokenizer.
        """
        keys = [self.method]
        if self.variant:
            keys.append(f"{self.method}-{self.variant}")
        return tuple(dict.fromkeys([*keys, self.with_seed(0)._native_name, self._native_name]))

    def starts_from(self, init: str) -> Self:
        """The tokenizer that `init` (such as `rqkmeans-pca96`) names: the same size and seed, its own variant."""
        method, _, variant = init.partition("-")
        return replace(self.native, method=method, variant=variant)


def part_name(shard: int, shards: int) -> str:
    """File name of one shard's part."""
    return f"part-{shard:05d}-of-{shards:05d}.npy"
