"""The figures of a scorecard in words, for terminals and for pages. Needs what :mod:`semid.scorecard.card` needs."""

from collections.abc import Iterable

from semid.scorecard.card import LevelUsage, Scorecard

# what is shown changes no result
__affects_results__ = False

LEVEL_HEADER = ("level", "used codes", "perplexity", "gini")


def figure_sentences(card: Scorecard) -> dict[str, str]:
    """Return what a scorecard says, by the name of what it is about."""
    identical = f"{card.items_in_collisions_identical:,} of them by identical embeddings"
    sentences = {
        "IDs": ids_sentence(card.distinct_codes, card.items),
        "collisions": collisions_sentence(card.items_in_collisions, card.items, identical, card.largest_bucket),
        "bits": f"{card.entropy_bits:.1f} of {card.bits:.1f} are used",
    }
    error = card.reconstruction
    if error is not None and error.relative_error is not None:
        sentences["error"] = f"{error.relative_error:.4f} of the variance is lost by decoding"
    return sentences


def ids_sentence(distinct: int, items: int) -> str:
    """Say how many IDs there are."""
    return f"{distinct:,} differ ({distinct / items:.4f} of the items)"


def collisions_sentence(sharing: int, items: int, further: str, largest: int) -> str:
    """Say how many items share their ID, and at most how many the same."""
    further = f", {further}" if further else ""
    return f"{sharing:,} items share their ID ({100 * sharing / items:.1f} %){further}; at most {largest:,} the same"


def level_cells(levels: Iterable[LevelUsage]) -> list[tuple[str, ...]]:
    """Return how each level is used, as cells below those of `LEVEL_HEADER`."""
    return [(f"{use.level:d}", f"{use.used_codes:d}", f"{use.perplexity:.1f}", f"{use.gini:.3f}") for use in levels]
