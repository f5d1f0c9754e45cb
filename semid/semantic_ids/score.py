"""The score stage: one call that writes a tokenizer's scorecard and codebook page."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from semid.errors import InputError
from semid.files import write_json, write_text
from semid.semantic_ids.codebook import codebook_page, item_blocks
from semid.semantic_ids.codes import read_codes
from semid.semantic_ids.scorecard import reconstruction_error, scorecard

logger = logging.getLogger(__name__)


def score_tokenizer(
    items_path: str | Path,
    code_paths: Sequence[str | Path],
    vectors: Any,
    groups: np.ndarray,
    decode: Callable[[np.ndarray], Any] | None,
    identity: Mapping[str, Any],
    scorecard_path: str | Path,
    page_path: str | Path,
    note: str | None = None,
) -> None:
    """Write `scorecard.json` and `codebook.md` of one tokenizer.

    `vectors [n, dim]` are the embeddings, `groups [n]` numbers the distinct ones, `decode` maps codes to vectors (None
    for codes made elsewhere). `identity` names the tokenizer: dataset, tokenizer, method, variant, num_levels,
    codebook_size, seed.
    """
    codes = read_codes(code_paths)
    in_train = pq.read_table(items_path, columns=["in_train"])["in_train"]
    if not len(in_train) == len(codes) == len(vectors):
        raise InputError(
            f"{items_path}: {len(in_train)} items, but {len(vectors)} embeddings and {len(codes)} codes; "
            "run these steps again"
        )
    lost = None if decode is None else reconstruction_error(vectors, decode, codes)
    train_items = pc.sum(in_train).as_py() or 0
    card = scorecard(codes, identity["codebook_size"], train_items, groups, lost, note)
    for warning in card["warnings"]:
        logger.warning("%s", warning)
    heading = f"What the level-1 codes of {identity['tokenizer']} hold ({identity['dataset']})"
    write_text(page_path, codebook_page(codes, item_blocks(items_path), heading, note))
    write_json(scorecard_path, {**identity, **card})
