"""Semantic IDs that were made elsewhere, brought into the order of the item table."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semid.embeddings.store import shard_range
from semid.errors import InputError
from semid.ids import SHOWN, first_few
from semid.items import count_items, how_to_leave_out, item_ids
from semid.progress import Progress
from semid.semantic_ids.codes import LARGEST_CODEBOOK, write_codes
from semid.semantic_ids.external_files import Batch, read_external_codes
from semid.semantic_ids.given_codes import ItemFiles

logger = logging.getLogger(__name__)


class AlignedCodes(NamedTuple):
    """Codes int64 [n, L] in the order of the items, the largest code of the file, and the number of its rows."""

    codes: np.ndarray
    largest: int
    rows: int


def import_codes(
    codes_path: str | Path,
    item2id_path: str | Path | None,
    items_path: str | Path,
    shard: int,
    shards: int,
    output: str | Path,
) -> None:
    """Write the codes that a file gives to one shard of `items.parquet`, in the order of the items.

    `codes_path` and `item2id_path` as in :func:`read_external_codes`. Memory follows the shard, except for `.json`.
    Raises `InputError` as that and :func:`align_codes` do, and for codes that no codebook could hold.
    """
    n = count_items(items_path)
    start, stop = shard_range(n, shard, shards)
    ids = item_ids(items_path, start, stop)
    aligned = align_codes(read_external_codes(codes_path, item2id_path), ids, codes_path, items_path, start)
    # larger codes than a codebook may have, and than there are items, are hashes or tokens of a vocabulary
    if aligned.largest >= max(LARGEST_CODEBOOK, n):
        raise InputError(
            f"{codes_path}: the largest code is {aligned.largest}, with {n} items: hashes or tokens of a vocabulary, "
            "it seems; number the codes of every level from 0"
        )
    if aligned.rows > n:
        logger.warning("%s: %d rows of codes for %d items: codes of no item are left out", codes_path, aligned.rows, n)
    write_codes(output, aligned.codes, aligned.largest + 1)


class ImportedCodes:
    """Takes the codes of a file that the dataset names under `external:`."""

    def write(self, files: ItemFiles, shard: int, shards: int, output: str | Path) -> None:
        """Write the codes of one shard of the items. Raises `InputError` as :func:`import_codes` does."""
        import_codes(files.get("codes"), files.get("item2id"), files.catalogue, shard, shards, output)


def align_codes(
    batches: Iterator[Batch], item_ids: Any, source: str | Path, items_path: str | Path | None = None, start: int = 0
) -> AlignedCodes:
    """Bring the codes of batches into the order of the n `item_ids`, which are strings.

    `source` is the file of the batches. Raises `InputError` when an item has no code or is there twice, and when
    codes differ in their number of levels. The items are those of the table `items_path` from row `start` on, by which
    the message says how to leave some out.
    """
    items = pc.cast(item_ids, pa.large_string())
    codes = np.empty((0, 0), np.int64)
    row_of_item = np.full(len(items), -1, np.int64)
    largest = rows = 0
    shown: list[str] = []
    with Progress(len(items), "importing codes", "items") as progress:
        for ids, block in batches:
            if not rows:
                codes, shown = np.empty((len(items), block.shape[1]), np.int64), ids[: SHOWN + 1].to_pylist()
            if block.shape[1] != codes.shape[1]:
                raise InputError(
                    f"{source}: {ids[0].as_py()!r} has {block.shape[1]} codes, {shown[0]!r} has {codes.shape[1]}; "
                    "expected as many for every item"
                )
            place_of_row = pc.index_in(ids, value_set=items)
            known = place_of_row.is_valid().to_numpy(zero_copy_only=False)
            places, rows_here = place_of_row.drop_null().to_numpy(), rows + np.flatnonzero(known)
            repeated = row_of_item[places] >= 0
            row_of_item[places] = rows_here
            repeated |= row_of_item[places] != rows_here
            if repeated.any():
                twice = ids.filter(pa.array(known)).filter(pa.array(repeated))
                raise InputError(f"{source}: more than one code for {first_few(twice)}; give each item one")
            codes[places] = block[known]
            largest = max(largest, int(block.max()))
            rows += len(ids)
            progress.update(len(places))
    if not rows:
        raise InputError(f"{source}: no codes here")
    missing = items.filter(pa.array(row_of_item < 0))
    if len(missing) == len(items) > 0:
        raise InputError(
            f"{source}: none of its {rows} ids is one of these {len(items)} items: ids {first_few(shown)}; "
            f"items {first_few(items)}. Where ids are numbers, item2id names the file that says whose"
        )
    if len(missing):
        raise InputError(
            f"{source}: {len(missing)} of {len(items)} items have no code: {first_few(missing)}. "
            "Retrieval finds an item by its code: add the codes of these items, or "
            f"{how_to_leave_out(items_path, start + np.flatnonzero(row_of_item < 0))}"
        )
    return AlignedCodes(codes, largest, rows)
