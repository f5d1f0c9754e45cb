"""The job that repairs the codes of a tokenizer."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import torch

from semid.embeddings import EmbeddingStore
from semid.errors import InputError
from semid.items import item_ids
from semid.naming import TokenizerName
from semid.quantizers import Decoder
from semid.semantic_ids.codes import open_codes, write_codes
from semid.semantic_ids.codes_of_items import codes_of_items
from semid.semantic_ids.repair.distinct import PinnedCodes, repair_codes

logger = logging.getLogger(__name__)


class RepairedFiles(Protocol):
    """What is repaired, and by what.

    codes: the parts of the codes, in order; model: of their tokenizer, in its folder; manifest: of the embeddings;
    catalogue: the item table. `get` gives `pinned`, a table of IDs that are given out already, where there is one.
    """

    codes: Sequence[str]
    model: str
    manifest: str
    catalogue: str

    def get(self, key: str, /) -> Any: ...


class RepairPaths(Protocol):
    """Where repaired codes, the rows of what changed and the counts are written."""

    codes: str
    changes: str
    report: str


def repair_catalogue(name: str, files: RepairedFiles, paths: RepairPaths, threads: int = 1) -> None:
    """Repair the codes of the tokenizer called `name`, such as `rqkmeans_4x256/repair-assign`, from its files.

    Memory holds the codes and ids of the catalogue; embeddings are read by rows. Raises `InputError` as
    :func:`repair_codes` does.
    """
    mode = TokenizerName.parse(name).repair
    if mode is None:
        raise InputError(f"{name} names native codes: expected {name}/repair-assign or {name}/repair-suffix")
    torch.set_num_threads(threads)
    ids = item_ids(files.catalogue)
    decoder = Decoder.from_pretrained(Path(files.model).parent)
    repair = repair_codes(
        open_codes(files.codes)[:],
        decoder.sizes,
        ids,
        mode,
        (decoder, EmbeddingStore.open(files.manifest)),
        read_pinned(files.get("pinned"), ids) if files.get("pinned") else None,
    )
    for sentence in repair.sentences():
        logger.info("%s", sentence)
    write_codes(paths.codes, repair.codes, max(repair.sizes))
    repair.write(ids, paths.changes, paths.report)


def read_pinned(path: str | Path, ids: pa.Array) -> PinnedCodes:
    """Read the IDs that a semantic-ID table gives to items of `ids`, large_string [n]; other rows are left out."""
    found = codes_of_items(path, ids)
    return PinnedCodes(found.rows, found.codes)
