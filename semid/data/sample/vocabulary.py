"""The words of the generated sample, as vocabulary.toml holds them."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

# Digests count these files as parts of this module.
_DATA_FILES = ("vocabulary.toml",)


class Leaf(NamedTuple):
    """A category without subcategories: its path from the widest category on, its product types and its materials."""

    path: tuple[str, str, str]
    product_types: tuple[str, ...]
    materials: tuple[str, ...]


@dataclass(frozen=True)
class Vocabulary:
    """The leaves of the category tree, those of a subcategory together, and the words that set products apart.

    verdicts: titles of reviews by their number of stars.
    """

    leaves: tuple[Leaf, ...]
    colours: tuple[str, ...]
    sizes: tuple[str, ...]
    features: tuple[str, ...]
    uses: tuple[str, ...]
    praises: tuple[str, ...]
    brand_starts: tuple[str, ...]
    brand_middles: tuple[str, ...]
    brand_ends: tuple[str, ...]
    verdicts: dict[int, tuple[str, ...]]

    @property
    def n_brands(self) -> int:
        """The number of brands that :meth:`brand` names."""
        return len(self.brand_starts) * len(self.brand_middles) * len(self.brand_ends)

    def brand(self, number: int) -> str:
        """Return the name of the brand with this number, from 0 to `n_brands - 1`."""
        rest, end = divmod(number, len(self.brand_ends))
        start, middle = divmod(rest, len(self.brand_middles))
        name = self.brand_starts[start] + self.brand_middles[middle] + self.brand_ends[end]
        return f"{name} & {self.brand_starts[-1 - start]}{self.brand_ends[-1 - end]}" if number % 7 == 0 else name


def read_vocabulary() -> Vocabulary:
    """Read the words; their order is that of the file."""
    content = tomllib.loads(Path(__file__).with_name(_DATA_FILES[0]).read_text(encoding="utf-8"))
    tree, verdicts = content.pop("tree"), content.pop("verdicts")
    return Vocabulary(
        leaves=tuple(_leaves(tree)),
        verdicts={int(stars): tuple(titles) for stars, titles in verdicts.items()},
        **{name: tuple(words) for name, words in content.items()},
    )


def _leaves(tree: dict[str, Any]) -> Iterator[Leaf]:
    for category, subcategories in tree.items():
        for subcategory, leaves in subcategories.items():
            for leaf, words in leaves.items():
                yield Leaf((category, subcategory, leaf), tuple(words["types"]), tuple(words["materials"]))
