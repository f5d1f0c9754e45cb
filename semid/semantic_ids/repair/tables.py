"""Repair of any table of codes, with or without vectors: what `semid repair` does."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from semid.embeddings.own_vectors import align
from semid.embeddings.settings import OwnVectors
from semid.embeddings.store import Rows
from semid.errors import InputError
from semid.files import open_array
from semid.naming import RepairMode
from semid.quantizers import Decoder, ExternalCodes
from semid.semantic_ids.code_table import read_code_table
from semid.semantic_ids.codes import LARGEST_CODEBOOK
from semid.semantic_ids.repair.distinct import repair_codes
from semid.semantic_ids.repair.files import read_pinned
from semid.semantic_ids.repair.order import order_of_ids
from semid.semantic_ids.repair.report import Repair
from semid.semantic_ids.table import write_semantic_ids


def repair_table(
    table: str | Path,
    output: str | Path,
    mode: RepairMode = "assign",
    *,
    vectors: str | Path | None = None,
    ids: str | Path | None = None,
    model: str | Path | None = None,
    codebook_size: int | None = None,
    pinned: str | Path | None = None,
) -> Repair:
    """Give each item of a table of codes an ID of its own, and write three files into the folder `output`.

    table: a file that :func:`read_code_table` reads: `item_id` with `c1` … `cL`, `token`, `code_str` or `sid`.
    vectors: a `.npy` file [n, dim], a row for each row of the table, or for each id of the file `ids`. Without it codes
    are handed out in order, and no error is measured. model: the folder of the tokenizer whose codes these are; without
    it codewords are the means of the vectors that have the codes. codebook_size: how many codes a level may have, where
    no model says it; by default as many as the largest code of the table needs. pinned: a table of IDs that stay.

    `output` gets `items.parquet`, the semantic-ID table with repaired codes; `repair.parquet`, a row for each item with
    another ID; and `repair.json`, the counts. All are in the order of the ids, and the same whatever the order of the
    table. Raises `InputError` for files that are no such tables, and as :func:`repair_codes` does.
    """
    if model is not None and codebook_size is not None:
        raise InputError("the model says the sizes of its codebooks: leave codebook_size out")
    if ids is not None and vectors is None:
        raise InputError(f"{ids}: ids of which vectors? Name the file of these too")
    item_ids, codes = read_code_table(table)
    order = order_of_ids(item_ids)
    item_ids, codes = item_ids.take(pa.array(order)), codes[order]
    ordered_vectors = None if vectors is None else _vectors(vectors, ids, item_ids, order)
    decoder = None if model is None else Decoder.from_pretrained(model)
    size = codebook_size or int(codes.max()) + 1
    if decoder is None and size > max(LARGEST_CODEBOOK, len(codes)):
        raise InputError(
            f"{table}: codebooks of {size} codes for {len(codes)} items: hashes or tokens of a vocabulary, it seems; "
            "number the codes of every level from 0"
        )
    sizes = decoder.sizes if decoder else (size,) * codes.shape[1]
    if decoder is None and ordered_vectors is not None and mode == "assign" and len(sizes) > 1:
        decoder = ExternalCodes(num_levels=len(sizes), codebook_size=size).fit(ordered_vectors, codes=codes)
    measured = (decoder, ordered_vectors) if decoder and ordered_vectors is not None else None
    repair = repair_codes(codes, sizes, item_ids, mode, measured, read_pinned(pinned, item_ids) if pinned else None)
    folder = Path(output)
    write_semantic_ids(folder / "items.parquet", item_ids, repair.codes)
    repair.write(item_ids, folder / "repair.parquet", folder / "repair.json")
    return repair


def _vectors(path: str | Path, ids: str | Path | None, item_ids: pa.Array, order: np.ndarray) -> Any:
    """Return the vectors of `item_ids`; `order` are the rows of the table, in the order of the ids."""
    opened = open_array(path, "f", "embeddings [rows, dim]")
    if ids is not None:
        return Rows(opened, align(OwnVectors(vectors=Path(path), ids=Path(ids)), item_ids))
    if len(opened) != len(order):
        raise InputError(
            f"{path}: {len(opened)} vectors for {len(order)} items; expected one for each row of the table, or the ids "
            "of the vectors"
        )
    return Rows(opened, order)
