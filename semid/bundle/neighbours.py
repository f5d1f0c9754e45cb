"""The nearest items by the vectors that their IDs decode to."""

from typing import NamedTuple

import numpy as np

from semid.bundle.sorted_codes import SortedCodes
from semid.embeddings.store import block_rows
from semid.quantizers import Decoder
from semid.semantic_ids.codes import prefix_starts


class Neighbour(NamedTuple):
    """An item, and the distance of what its ID decodes to from what another ID decodes to."""

    item_id: str
    distance: float


class NearestRows(NamedTuple):
    """Rows of items, int64 [k], the nearest first, and their distances, float64 [k]."""

    rows: np.ndarray
    distances: np.ndarray


def nearest_rows(tokenizer: Decoder, sorted_codes: SortedCodes, row: int, k: int) -> NearestRows:
    """Return the k items nearest to that of `row`, without itself, by the Euclidean distance of decoded vectors.

    Equal distances are in the order of the rows. Every distinct ID is decoded once, in blocks of about 4 million
    values; memory beside a block follows the number of items. Codes behind the levels of the tokenizer only tell items
    apart and decode to nothing.
    """
    codes, num_levels = sorted_codes.codes, tokenizer.num_levels
    starts = prefix_starts(codes, num_levels)
    sizes = np.diff(starts)
    place_of_item = np.flatnonzero(sorted_codes.order == row)[0]
    bucket = int(np.searchsorted(starts, place_of_item, "right")) - 1
    distances = _squared_distances(tokenizer, codes[starts[:-1], :num_levels], bucket)
    nearest_first = np.argsort(distances, kind="stable")
    # the item itself is among the first k + 1
    last = int(np.searchsorted(np.cumsum(sizes[nearest_first]), k + 1))
    limit = distances[nearest_first[min(last, len(sizes) - 1)]]
    places = np.flatnonzero(np.repeat(distances <= limit, sizes))
    places = places[places != place_of_item]
    rows, squares = sorted_codes.order[places], np.repeat(distances, sizes)[places]
    nearest = np.lexsort((rows, squares))[:k]
    return NearestRows(rows[nearest], np.sqrt(squares[nearest]))


def _squared_distances(tokenizer: Decoder, codes: np.ndarray, place: int) -> np.ndarray:
    """Return float64 [m]: of what distinct codes [m, L] decode to, from what the codes at a place decode to."""
    vector = tokenizer.decode(codes[place : place + 1]).astype(np.float64)
    distances = np.empty(len(codes))
    step = block_rows(vector.shape[1])
    for start in range(0, len(codes), step):
        difference = tokenizer.decode(codes[start : start + step]) - vector
        distances[start : start + step] = np.einsum("nd,nd->n", difference, difference)
    # blocks may be rounded in another way than one row
    distances[place] = 0.0
    return distances
