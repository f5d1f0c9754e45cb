"""The score stage: one call that writes a tokenizer's scorecard and codebook page."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from semid.errors import InputError
from semid.files import write_json, write_text
from semid.items import items_in_train
from semid.naming import EXTERNAL, TokenizerName
from semid.quantizers import Decoder
from semid.semantic_ids.codebook import codebook_page, item_blocks
from semid.semantic_ids.scorecard import reconstruction_error, scorecard

logger = logging.getLogger(__name__)


def score_tokenizer(
    items_path: str | Path,
    codes: np.ndarray,
    vectors: Any,
    groups: np.ndarray,
    tokenizer: Decoder,
    dataset: str,
    name: str,
    scorecard_path: str | Path,
    page_path: str | Path,
    note: str | None = None,
    structure: Mapping[str, Any] | None = None,
) -> None:
    """Write `scorecard.json` and `codebook.md` of the tokenizer of that name.

    `codes` [n, L] are those of the n items, `vectors` [n, dim] the embeddings, `groups` [n] numbers the distinct ones,
    `structure` as in :func:`scorecard`. Of the catalogue memory holds the codes and, while they are sorted, two int64
    an item.
    """
    parsed = TokenizerName.parse(name).with_sizes(tokenizer.sizes)
    identity = {
        "dataset": dataset,
        "tokenizer": name,
        "method": parsed.method,
        "variant": parsed.variant,
        "num_levels": parsed.num_levels,
        "codebook_size": parsed.codebook_size,
        "seed": parsed.seed,
        "fit": tokenizer.fit_summary(),
    }
    in_train = items_in_train(items_path)
    if not len(in_train) == len(codes) == len(vectors):
        raise InputError(
            f"{items_path}: {len(in_train)} items, but {len(vectors)} embeddings and {len(codes)} codes; "
            "run these steps again"
        )
    lost = reconstruction_error(vectors, tokenizer.decode, codes)
    train_items = int(in_train.sum())
    external = parsed.method == EXTERNAL
    card = scorecard(codes, parsed.sizes, train_items, groups, lost, note, structure, external)
    for warning in card["warnings"]:
        logger.warning("%s", warning)
    heading = f"What the level-1 codes of {name} hold ({dataset})"
    write_text(page_path, codebook_page(codes, item_blocks(items_path), heading, note))
    write_json(scorecard_path, {**identity, **card})
