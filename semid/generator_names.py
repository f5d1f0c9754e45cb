"""The names of generative recommenders, parsed here and nowhere else. Standard library only: planning imports it."""

import re
from dataclasses import dataclass
from typing import Self

from semid.errors import InputError
from semid.naming import LONGEST_NAME, check_folder_name

# A family of generators by its name, and whether it is trained on the IDs of a tokenizer.
NEEDS_TOKENIZER = {"generator": True, "sasrec": False}
# The regular expression of folders that are no tokenizer's: what begins like a generator is one, or a slip of it.
GENERATOR_FOLDER = rf"(?:{'|'.join(NEEDS_TOKENIZER)})[^/]*"

_VARIANT = r"(?:-(?P<variant>(?!s\d)[a-z][a-z0-9_]*))?"
_SEED = r"-s(?P<seed>[1-9]\d*)"


def generator_grammar() -> str:
    """Return how a name is formed, in a sentence."""
    return (
        "generator[-<variant>][-s<seed>], trained on the IDs of a tokenizer: "
        "results/<dataset>/<tokenizer>/generator/generative_eval.csv; or sasrec[-<variant>][-s<seed>], which needs "
        "none: results/<dataset>/sasrec/generative_eval.csv; a variant is defined under `generators:` in the config; "
        "examples: generator, generator-small, generator-small-s1, sasrec, sasrec-content; at most "
        f"{LONGEST_NAME} characters"
    )


def generator_key_patterns(family: str) -> tuple[str, str]:
    """Return regular expressions of the keys under `generators:` of a family: without and with a seed."""
    variant, seed = (re.sub(r"\?P<\w+>", "", part) for part in (_VARIANT, _SEED))
    return rf"^{family}{variant}$(?!\n)", rf"^{family}{variant}{seed}$(?!\n)"


@dataclass(frozen=True)
class GeneratorName:
    """A generator's name taken apart: `generator-small-s1` is of the family generator, variant small, seed 1."""

    family: str
    variant: str = ""
    seed: int = 0

    @classmethod
    def parse(cls, name: str) -> Self:
        """Take `name` apart; an `InputError` shows the grammar when it is malformed."""
        check_folder_name(name, "a generator")
        pattern = rf"(?P<family>{'|'.join(NEEDS_TOKENIZER)}){_VARIANT}(?:{_SEED})?"
        parts = re.fullmatch(pattern, name, flags=re.ASCII)
        if parts is None:
            raise InputError(f"'{name}' is no generator name. Expected {generator_grammar()}. Seed 0 has no suffix.")
        return cls(parts["family"], parts["variant"] or "", int(parts["seed"] or 0))

    @property
    def name(self) -> str:
        """The name of the generator and of its output folder."""
        return f"{self.without_seed}-s{self.seed}" if self.seed else self.without_seed

    @property
    def without_seed(self) -> str:
        """The family with its variant, such as `generator-small`."""
        return f"{self.family}-{self.variant}" if self.variant else self.family

    @property
    def needs_tokenizer(self) -> bool:
        """Whether it is trained on the IDs of a tokenizer."""
        return NEEDS_TOKENIZER[self.family]

    def option_keys(self) -> tuple[str, ...]:
        """Keys of `generators:` in the config that apply to this name: family, variant, full name; the last wins."""
        return tuple(dict.fromkeys((self.family, self.without_seed, self.name)))
