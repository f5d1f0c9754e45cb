"""What a scorecard warns of, in sentences."""

from collections.abc import Sequence

from semid.scorecard.card import LevelUsage, SharedPrefix

ITEMS_A_CODE = 2
LOW_PERPLEXITY = 0.1
LARGE_BUCKET = 0.1
MANY_COLLISIONS = 0.5


def few_items(train_items: int, sizes: Sequence[int]) -> list[str]:
    """Warn where codebooks of these sizes have too few training items a code."""
    if train_items / max(sizes) >= ITEMS_A_CODE:
        return []
    return [
        f"{train_items} training items for codebooks of {max(sizes)}: fewer than {ITEMS_A_CODE} a code, "
        "so codes follow single items; use a smaller codebook."
    ]


def uneven_use(levels: Sequence[LevelUsage], sizes: Sequence[int], given: bool) -> list[str]:
    """Warn where a few codes of a level hold most items; codes that were `given` get no advice on training."""
    uneven = [level for level, size in zip(levels, sizes, strict=True) if level.perplexity < LOW_PERPLEXITY * size]
    if not uneven:
        return []
    perplexities = ", ".join(f"{level.perplexity:.1f} at level {level.level}" for level in uneven)
    advice = "" if given else "; try fewer dimensions (pca_dim, codebook_dim) or codes"
    of_sizes = " or ".join(map(str, sorted({sizes[level.level - 1] for level in uneven}, reverse=True)))
    return [
        f"Of {of_sizes} codes a few hold most items (perplexity {perplexities}): the codebook collapsed, or "
        f"single outliers took codes of their own{advice}."
    ]


def collisions(whole_code: SharedPrefix, items: int) -> list[str]:
    """Warn where one code holds many of the items, and where many items share the code of several levels."""
    sentences = []
    if whole_code.largest > LARGE_BUCKET * items:
        sentences.append(f"One code holds {whole_code.largest} of {items} items ({whole_code.largest / items:.0%}).")
    if whole_code.depth > 1 and whole_code.items_sharing > MANY_COLLISIONS * items:
        sentences.append(
            f"{whole_code.items_sharing / items:.0%} of the items share their whole code with another item: "
            "more levels or larger codebooks would tell them apart."
        )
    return sentences
