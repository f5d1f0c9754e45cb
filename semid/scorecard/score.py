"""The job that scores a tokenizer: it writes `scorecard.json` and `codebook.md`."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch

from semid.embeddings import EmbeddingStore, read_first_of_identical
from semid.errors import InputError
from semid.files import write_text
from semid.interactions import read_interactions
from semid.items import items_in_train
from semid.naming import TokenizerName
from semid.quantizers import decoder_of_codes
from semid.scorecard.figures import ScoredTokenizer, scorecard
from semid.scorecard.page import codebook_page, item_blocks
from semid.scorecard.reconstruction import reconstruction_error
from semid.scorecard.structure import DescribedItems, structure_figures
from semid.semantic_ids.codes import open_codes
from semid.semantic_ids.numbered_categories import numbered_categories

logger = logging.getLogger(__name__)


class ScoredFiles(Protocol):
    """What is scored, and what it is scored by.

    codes: the parts of the codes, in order; model: of the tokenizer, in its folder; manifest: of the embeddings;
    representatives: which embeddings are identical; catalogue: the item table; train: the training split, or nothing.
    """

    codes: Sequence[str]
    model: str
    manifest: str
    representatives: str
    catalogue: str
    train: Sequence[str]


class ScorePaths(Protocol):
    """Where the scorecard and the page of the codebook are written."""

    scorecard: str
    page: str


def score_tokenizer(
    dataset: str, name: str, files: ScoredFiles, paths: ScorePaths, note: str | None = None, threads: int = 1
) -> None:
    """Score the tokenizer of this name from its files, and write its scorecard and its page.

    Memory holds the codes of the catalogue and, while they are sorted, two int64 an item. Raises InputError when codes,
    embeddings and items are not equally many.
    """
    torch.set_num_threads(threads)
    codes, vectors = open_codes(files.codes)[:], EmbeddingStore.open(files.manifest)
    in_train = items_in_train(files.catalogue)
    if not len(in_train) == len(codes) == len(vectors):
        raise InputError(
            f"{files.catalogue}: {len(in_train)} items, but {len(vectors)} embeddings and {len(codes)} codes; "
            "run these steps again"
        )
    groups = read_first_of_identical(files.representatives, len(vectors))
    decoder = decoder_of_codes(Path(files.model).parent, codes)
    items = DescribedItems(vectors, groups, numbered_categories(files.catalogue))
    interactions = read_interactions(Path(files.train[0]).parent, "train") if files.train else None
    card = scorecard(
        ScoredTokenizer(
            dataset,
            TokenizerName.parse(name).with_sizes(decoder.sizes),
            train_items=int(in_train.sum()),
            fit=decoder.fit_summary(),
        ),
        codes,
        groups,
        reconstruction=reconstruction_error(vectors, decoder.decode, codes),
        structure=structure_figures(codes, decoder, items, interactions),
        note=note,
    )
    for warning in card.warnings:
        logger.warning("%s", warning)
    heading = f"What the level-1 codes of {name} hold ({dataset})"
    write_text(paths.page, codebook_page(codes, item_blocks(files.catalogue), heading, note))
    card.write(paths.scorecard)
