"""The codes that a table gives to the items of a catalogue."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semid.semantic_ids.external_files import read_external_codes


def codes_of_items(table: str | Path, ids: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return which of `ids`, large_string [n], a table of codes has: int64 [m], in its order, and codes int64 [m, L].

    Rows of the table for other items are left out.
    """
    rows, codes = [np.empty(0, np.int64)], []
    for batch in read_external_codes(table):
        place = pc.index_in(batch.ids, value_set=ids)
        is_here = place.is_valid().to_numpy(zero_copy_only=False)
        rows.append(place.drop_null().to_numpy().astype(np.int64))
        codes.append(batch.codes[is_here])
    return np.concatenate(rows), np.concatenate(codes) if codes else np.empty((0, 1), np.int64)
