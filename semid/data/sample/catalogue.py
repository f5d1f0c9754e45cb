"""The items of the sample as integers, before they become text."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semid.data.sample.vocabulary import Vocabulary
from semid.data.sources.sample import SampleSettings

VARIANTS = 4  # the most asins under one parent_asin
ASINS = 36**8
BRANDS_A_TYPE = 6


@dataclass(frozen=True)
class Catalogue:
    """Arrays of one integer an item, sorted by product type and brand, so that neighbours in number are alike in text.

    product_types: the names of all product types; `product_type` holds positions in it.
    leaf, material, colour, size, feature, second_feature: positions in the lists of the vocabulary, those of
        `material` in the materials of the item's leaf. brand: the number of :meth:`Vocabulary.brand`.
    same_text: whether the item has the words of the item before it.
    n_variants: how many asins the item has.
    cumulative_popularity: float64 `[items + 1]`, the popularity of all items before each item.
    first_of_leaf: `[leaves + 1]`, the first item of each leaf.
    subcategory_of_leaf: `[leaves]`, the number of the subcategory of each leaf.
    """

    product_types: tuple[str, ...]
    product_type: NDArray[np.int32]
    leaf: NDArray[np.int32]
    brand: NDArray[np.int32]
    material: NDArray[np.int8]
    colour: NDArray[np.int8]
    size: NDArray[np.int8]
    feature: NDArray[np.int8]
    second_feature: NDArray[np.int8]
    same_text: NDArray[np.bool_]
    n_variants: NDArray[np.int8]
    cumulative_popularity: NDArray[np.float64]
    first_of_leaf: NDArray[np.int64]
    subcategory_of_leaf: NDArray[np.int64]

    def draw(self, rng: np.random.Generator, first: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.int64]:
        """Draw, for each pair, an item from [first, stop) by popularity."""
        low, high = self.cumulative_popularity[first], self.cumulative_popularity[stop]
        point = low + rng.random(len(first)) * (high - low)
        drawn = np.searchsorted(self.cumulative_popularity, point, side="right") - 1
        return np.clip(drawn, first, stop - 1)


def draw_catalogue(settings: SampleSettings, vocabulary: Vocabulary) -> Catalogue:
    """Draw the words and the popularity of `settings.items` items."""
    n = settings.items
    rng = np.random.default_rng([settings.seed, 0])
    product_types = tuple(name for leaf in vocabulary.leaves for name in leaf.product_types)
    leaf_of_type = [number for number, leaf in enumerate(vocabulary.leaves) for _ in leaf.product_types]
    product_type = np.sort(rng.integers(0, len(product_types), n).astype(np.int32))
    brand_rank = rng.integers(0, BRANDS_A_TYPE, n)
    leaf = np.array(leaf_of_type, dtype=np.int32)[product_type]
    # Brands belong to a leaf, and the same brand is found at several types of it.
    brand = ((leaf.astype(np.int64) * 7 + brand_rank * 389) % vocabulary.n_brands).astype(np.int32)
    words = {
        "product_type": product_type,
        "leaf": leaf,
        "brand": brand[np.lexsort((brand_rank, product_type))],
        "material": rng.integers(0, 3, n).astype(np.int8),
        "colour": rng.integers(0, len(vocabulary.colours), n).astype(np.int8),
        "size": rng.integers(0, len(vocabulary.sizes), n).astype(np.int8),
        "feature": rng.integers(0, len(vocabulary.features), n).astype(np.int8),
        "second_feature": rng.integers(0, len(vocabulary.features), n).astype(np.int8),
    }
    copies = np.flatnonzero(rng.random(n) < settings.same_text)
    copies = copies[copies > 0]
    for positions in words.values():
        positions[copies] = positions[copies - 1]
    same_text = np.zeros(n, dtype=bool)
    same_text[copies] = True
    n_variants = rng.choice(np.arange(1, VARIANTS + 1), n, p=[0.7, 0.15, 0.1, 0.05]).astype(np.int8)
    popularity_rank = rng.permutation(n)
    popularity = (popularity_rank + 1.0 + 0.01 * n) ** -settings.popularity_exponent
    return Catalogue(
        product_types=product_types,
        same_text=same_text,
        n_variants=n_variants,
        cumulative_popularity=np.concatenate(([0.0], np.cumsum(popularity))),
        first_of_leaf=np.searchsorted(words["leaf"], np.arange(len(vocabulary.leaves) + 1)),
        subcategory_of_leaf=_subcategories(vocabulary),
        **words,
    )


def _subcategories(vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Return the number of the subcategory of each leaf, counted in the order in which they first appear."""
    numbers: dict[tuple[str, str], int] = {}
    return np.array([numbers.setdefault(leaf.path[:2], len(numbers)) for leaf in vocabulary.leaves])


def asin(item: int, variant: int = 0) -> str:
    """Return a distinct id of ten characters for a variant of an item; variant 0 is the item's parent_asin.

    The order of the ids says nothing about the items: the factor has no divisor in common with 36.
    """
    number = ((item * VARIANTS + variant) * 1_000_003_000_007 + 777_777_777) % ASINS
    return "B0" + np.base_repr(number, 36).rjust(8, "0")
