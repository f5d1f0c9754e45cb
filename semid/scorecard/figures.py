"""Puts the figures of a tokenizer together to its scorecard."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from semid.methods import GIVEN_CODES
from semid.naming import TokenizerName
from semid.scorecard import warnings
from semid.scorecard.card import Reconstruction, Scorecard, SharedPrefix, Structure
from semid.scorecard.collisions import count_collisions
from semid.scorecard.usage import level_usage


@dataclass(frozen=True)
class ScoredTokenizer:
    """Whose codes are scored.

    name: with the sizes of all codebooks; fit: what the tokenizer reports of its training; train_items: the items that
    it was, or could have been, trained on.
    """

    dataset: str
    name: TokenizerName
    train_items: int
    fit: Mapping[str, Any] = field(default_factory=dict)


def scorecard(
    tokenizer: ScoredTokenizer,
    codes: np.ndarray,
    groups: np.ndarray,
    reconstruction: Reconstruction | None = None,
    structure: Structure | None = None,
    note: str | None = None,
) -> Scorecard:
    """Return the scorecard of `codes [n, L]`.

    `groups [n]` numbers the distinct embeddings: items with identical embeddings have one number, and where they share
    their code too they collide whatever the tokenizer. `note` says what kind of data this is. Raises ValueError when
    there are no codes, or not as many groups.
    """
    n = len(codes)
    if not n:
        raise ValueError("no codes")
    if len(groups) != n:
        raise ValueError(f"{n} codes, but {len(groups)} groups")
    name = tokenizer.name
    collisions, levels = count_collisions(codes, groups), level_usage(codes, name.sizes)
    whole_code = collisions.prefixes[-1]
    return Scorecard(
        dataset=tokenizer.dataset,
        tokenizer=name.name,
        method=name.method,
        variant=name.variant,
        num_levels=name.num_levels,
        codebook_size=name.codebook_size,
        seed=name.seed,
        fit=tokenizer.fit,
        items=n,
        train_items=tokenizer.train_items,
        train_items_per_code=tokenizer.train_items / name.codebook_size,
        bits=name.bits,
        entropy_bits=sum(level.entropy_bits for level in levels),
        reconstruction=reconstruction,
        distinct_codes=whole_code.distinct,
        unique_codes=whole_code.distinct / n,
        distinct_embeddings=len(np.unique(groups)),
        items_in_collisions=whole_code.items_sharing,
        items_in_collisions_identical=collisions.items_sharing_embedding,
        largest_bucket=whole_code.largest,
        prefixes=collisions.prefixes,
        levels=levels,
        structure=structure and _with_lift(structure, collisions.prefixes),
        warnings=(
            *warnings.few_items(tokenizer.train_items, name.sizes),
            *warnings.uneven_use(levels, name.sizes, given=name.method in GIVEN_CODES),
            *warnings.collisions(whole_code, n),
        ),
        note=note,
    )


def _with_lift(structure: Structure, prefixes: tuple[SharedPrefix, ...]) -> Structure:
    """Add `cooccurrence_lift`: each share of `cooccurrence` divided by that of chance, None where chance gives 0."""
    if structure.cooccurrence is None:
        return structure
    lifts = (
        share / prefix.chance if prefix.chance else None
        for share, prefix in zip(structure.cooccurrence, prefixes, strict=True)
    )
    return replace(structure, cooccurrence_lift=tuple(lifts))
