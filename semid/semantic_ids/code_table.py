"""A file of semantic IDs, read whole: one ID for every item."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semid.errors import InputError
from semid.ids import first_few
from semid.semantic_ids.external_files import read_external_codes


class CodeTable(NamedTuple):
    """Items and their codes, in the order of a file.

    ids: large_string [n], each once; codes: [n, L], in the smallest unsigned dtype that holds them.
    """

    ids: pa.LargeStringArray
    codes: np.ndarray


def read_code_table(path: str | Path) -> CodeTable:
    """Read a file of any form that :func:`semid.semantic_ids.read_external_codes` takes.

    Raises `InputError` as that does, for a file without IDs, for items of different numbers of codes, and where an item
    is there twice.
    """
    ids: list[pa.LargeStringArray] = []
    codes: list[np.ndarray] = []
    for batch in read_external_codes(path):
        ids.append(batch.ids)
        # small at once, since memory holds all of them
        codes.append(batch.codes.astype(np.min_scalar_type(int(batch.codes.max()))))
    if not ids:
        raise InputError(f"{path}: no semantic IDs here")
    levels = {block.shape[1] for block in codes}
    if len(levels) > 1:
        raise InputError(f"{path}: some items have {min(levels)} codes, others {max(levels)}; expected as many for all")
    names = pa.concat_arrays(ids)
    if pc.count_distinct(names).as_py() < len(names):
        counts = pc.value_counts(names)
        twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
        raise InputError(f"{path}: more than one semantic ID for {first_few(twice)}; give each item one")
    return CodeTable(names, np.concatenate(codes))
