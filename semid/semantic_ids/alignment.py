"""Codes of a tokenizer that was trained anew, numbered so that they agree with those that were given out before.

The codes of a level are numbers without an order, so that a training that finds the same clusters again may call them
by others. One permutation a level is chosen: the assignment of new codes to old ones under which most items keep their
code (Kuhn 1955, "The Hungarian method for the assignment problem"). A permutation a parent would agree with more, but
codes are decoded level by level, whatever the level before says.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]

from semid.embeddings import EmbeddingStore, Rows
from semid.errors import InputError
from semid.items import item_ids
from semid.quantizers import Compute, Tokenizer
from semid.semantic_ids.churn import ALIGNMENT, churn
from semid.semantic_ids.codes_of_items import codes_of_items

logger = logging.getLogger(__name__)

# items by whose codes two numberings are compared; more would change no assignment that matters
ITEMS_COMPARED = 200_000
# codes of a level: the table of old and new codes has the square of this many entries, 8 bytes each
LARGEST_CODEBOOK = 16_384


def align_tokenizer(
    tokenizer: Tokenizer, old: str | Path, embeddings: str | Path, catalogue: str | Path, compute: Compute
) -> None:
    """Number the codes of a tokenizer so that they agree with the semantic-ID table `old`, and note it in its metadata.

    Of the items that `old` and the `catalogue` share, at most 200,000 are encoded; `embeddings` is the manifest of a
    store. Raises `InputError` when they share none, and for codes of other levels or larger codebooks.
    """
    rows, old_codes = shared_codes(old, catalogue, tokenizer.sizes)
    chosen = np.linspace(0, len(rows) - 1, min(len(rows), ITEMS_COMPARED)).astype(np.int64)
    rows, old_codes = rows[chosen], old_codes[chosen]
    codes = tokenizer.encode(Rows(EmbeddingStore.open(embeddings), rows), compute)
    orders = [
        level_order(old_level, level, size)
        for old_level, level, size in zip(old_codes.T, codes.T, tokenizer.sizes, strict=True)
    ]
    tokenizer.renumber(orders)
    aligned = np.stack([np.argsort(order)[level] for order, level in zip(orders, codes.T, strict=True)], axis=1)
    before, after = churn(old_codes, codes), churn(old_codes, aligned)
    tokenizer.metadata[ALIGNMENT] = {"items": len(rows), "before": before, "after": after}
    logger.info(
        "aligned by %d items of %s: %.1f %% of them have another ID than there, %.1f %% before the alignment",
        len(rows),
        old,
        100 * after[-1],
        100 * before[-1],
    )


def shared_codes(old: str | Path, catalogue: str | Path, sizes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the items of `catalogue` that a table of codes has too, and their codes [n, L] there.

    Raises `InputError` when there are none, and for codes that codebooks of `sizes` do not have.
    """
    rows, codes, _ = codes_of_items(old, item_ids(catalogue))
    if not len(rows):
        raise InputError(f"{old} has none of the items of {catalogue}, so that there is nothing to compare codes by")
    check_levels(old, codes, sizes)
    return rows, codes


def check_levels(table: str | Path, codes: np.ndarray, sizes: Sequence[int]) -> None:
    """Raise `InputError` for codes [n, L] of a table that a tokenizer with codebooks of `sizes` cannot have given."""
    if codes.shape[1] != len(sizes) or (codes.max(axis=0, initial=0) >= np.asarray(sizes)).any():
        raise InputError(
            f"{table}: codes of {codes.shape[1]} levels up to {codes.max(initial=0)}, but the tokenizer has codebooks "
            f"of {' x '.join(map(str, sizes))}: name a table of the same size"
        )


def level_order(old: np.ndarray, new: np.ndarray, size: int) -> np.ndarray:
    """Return int64 [size]: the new code that each old code is called by from now on, so that most items keep theirs.

    `old` and `new`, integers [n] below `size`, are the codes of the same items at one level. Among assignments that
    are equally good one that leaves most codes as they are is taken. Raises `InputError` for more than 16,384 codes.
    """
    if size > LARGEST_CODEBOOK:
        raise InputError(f"codes are aligned in codebooks of at most {LARGEST_CODEBOOK:,} codes, this has {size:,}")
    counts = np.zeros((size, size))
    np.add.at(counts, (old.astype(np.int64), new.astype(np.int64)), size + 1)
    counts[np.diag_indices(size)] += 1
    return np.asarray(linear_sum_assignment(counts, maximize=True)[1], np.int64)
