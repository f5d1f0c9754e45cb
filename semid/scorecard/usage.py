"""How evenly the codes of every level are used."""

from collections.abc import Sequence

import numpy as np

from semid.scorecard.card import LevelUsage
from semid.statistics.entropy import entropy_bits, gini


def level_usage(codes: np.ndarray, sizes: Sequence[int]) -> tuple[LevelUsage, ...]:
    """Return the usage of each level of `codes [n, L]`; `sizes` are the sizes of the L codebooks."""
    levels = []
    for level, size in enumerate(sizes):
        counts = np.bincount(codes[:, level], minlength=size)
        bits = entropy_bits(counts)
        levels.append(
            LevelUsage(
                level=level + 1,
                used_codes=int((counts > 0).sum()),
                entropy_bits=bits,
                perplexity=2.0**bits,
                gini=gini(counts),
            )
        )
    return tuple(levels)
