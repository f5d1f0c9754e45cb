"""Items with identical embeddings: all of them are scored through the first, and no tokenizer can separate them."""

from pathlib import Path

import numpy as np

from semid.embeddings.store import EmbeddingStore, Vectors, block_rows
from semid.errors import InputError
from semid.files import load_array, write_array
from semid.items import CoreItems
from semid.progress import Progress

# A block of this many words and their products stays in the cache.
HASHED_WORDS = 1 << 17


def first_of_identical(vectors: Vectors) -> np.ndarray:
    """Return int32 [n]: for every row of floats `vectors` [n, dim] the first row that has the same values.

    0.0 and -0.0 are the same value. Rows are hashed to 64 bits in blocks, and rows of one hash are compared. Memory
    holds a block of rows, 20 bytes for every row, and about 30 more for every row that shares its hash.
    """
    hashes = _row_hashes(vectors)
    first = np.arange(vectors.shape[0], dtype=np.int32)
    order = _repeated(hashes)
    order = order[np.argsort(hashes[order], kind="stable")]
    while len(order) > 1:
        ordered = hashes[order]
        new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
        leader = order[np.flatnonzero(new)[np.cumsum(new) - 1]]
        follower = order[~new]
        same = _rows_equal(vectors, leader[~new], follower)
        first[follower[same]] = leader[~new][same]
        # Rows that differ from the first row of their hash are compared among themselves next.
        order = follower[~same]
    return first


def write_first_of_identical(manifest_path: str | Path, path: str | Path) -> None:
    """Write :func:`first_of_identical` of the embeddings that a manifest describes to `path`, as `.npy`."""
    write_array(path, first_of_identical(EmbeddingStore.open(manifest_path)))


def read_first_of_identical(path: str | Path, rows: int) -> np.ndarray:
    """Memory-map what :func:`write_first_of_identical` wrote for `rows` embeddings.

    Raises `InputError` when the file cannot be read, or holds anything else.
    """
    remedy = "; delete it and run the workflow again"
    first = load_array(path, remedy)
    if not isinstance(first, np.ndarray) or first.shape != (rows,) or first.dtype != np.int32:
        form = f"{first.dtype} {list(first.shape)}" if isinstance(first, np.ndarray) else "an archive"
        raise InputError(f"{path} holds {form}, expected int32 [{rows}]{remedy}")
    return first


def first_of_core(first: np.ndarray, core: CoreItems) -> np.ndarray:
    """Return int32 [core]: :func:`first_of_identical` of the core items alone, from that of all items, int32 [n]."""
    if core.is_all:
        return first
    _, first_places, group = np.unique(first[core.rows], return_index=True, return_inverse=True)
    return first_places[group].astype(np.int32)


def _repeated(hashes: np.ndarray) -> np.ndarray:
    """Return int64, ascending: the rows whose hash another row has too."""
    ordered = np.sort(hashes)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(repeated):
        return np.empty(0, np.int64)
    del ordered
    is_repeated = np.empty(len(hashes), bool)
    step = block_rows(1)
    for start in range(0, len(hashes), step):
        block = hashes[start : start + step]
        place = np.minimum(np.searchsorted(repeated, block), len(repeated) - 1)
        is_repeated[start : start + step] = repeated[place] == block
    return np.flatnonzero(is_repeated)


def _row_hashes(vectors: Vectors) -> np.ndarray:
    n = vectors.shape[0]
    num_words = _words(vectors[:1]).shape[1]
    odd = np.random.default_rng(0).integers(1 << 63, size=num_words, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    hashes = np.empty(n, np.uint64)
    step = max(1, HASHED_WORDS // num_words)
    with Progress(n, "hashing embeddings") as progress:
        for start in range(0, n, step):
            words = _words(vectors[start : start + step])
            # The low bits of a product do not depend on the high bits of a word, so these are folded in first.
            products = words ^ (words >> np.uint64(32))
            products *= odd
            hashes[start : start + step] = products.sum(axis=1, dtype=np.uint64)
            progress.update(len(products))
    return hashes


def _words(block: np.ndarray) -> np.ndarray:
    """Return uint64 [rows, words]: the bits of every row, in the widest words that divide it; -0.0 has those of 0.0."""
    block = np.ascontiguousarray(block)
    bits = block.view(f"u{block.itemsize}")
    is_negative_zero = bits == bits.dtype.type(1) << bits.dtype.type(8 * block.itemsize - 1)
    if is_negative_zero.any():
        block = np.where(is_negative_zero, bits.dtype.type(0), bits)
    size = next(size for size in (8, 4, 2, 1) if block.shape[1] * block.itemsize % size == 0)
    return block.view(f"u{size}").astype(np.uint64, copy=False)


def _rows_equal(vectors: Vectors, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    equal = np.empty(len(left), bool)
    step = block_rows(vectors.shape[1])
    for start in range(0, len(left), step):
        rows = slice(start, start + step)
        equal[rows] = (_words(vectors[left[rows]]) == _words(vectors[right[rows]])).all(axis=1)
    return equal
