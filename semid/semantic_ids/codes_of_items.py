"""The codes that a table gives to the items of a catalogue."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semid.semantic_ids.external_files import read_external_codes


class CodesOfItems(NamedTuple):
    """What a table says of items.

    rows: int64 [m], which items it has, in its order; codes: int64 [m, L], of these; others: int64 [r, L], the codes of
    its other items.
    """

    rows: np.ndarray
    codes: np.ndarray
    others: np.ndarray


def codes_of_items(table: str | Path, ids: pa.Array) -> CodesOfItems:
    """Find items, whose `ids` are large_string [n], in a table of codes, which is read in batches."""
    rows, codes, others = [np.empty(0, np.int64)], [], []
    for batch in read_external_codes(table):
        place = pc.index_in(batch.ids, value_set=ids)
        is_here = place.is_valid().to_numpy(zero_copy_only=False)
        rows.append(place.drop_null().to_numpy().astype(np.int64))
        codes.append(batch.codes[is_here])
        others.append(batch.codes[~is_here])
    nothing = np.empty((0, 1), np.int64)
    return CodesOfItems(
        np.concatenate(rows),
        np.concatenate(codes) if codes else nothing,
        np.concatenate(others) if others else nothing,
    )
