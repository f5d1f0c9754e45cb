"""The whole-catalogue FAISS index: the one module that imports faiss.

An index is trained empty, filled once for each shard of the catalogue, and merged from these parts in order.
"""

import errno
import logging
import math
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from semid.embeddings.store import Vectors, block_rows
from semid.errors import InputError
from semid.files import whole_file
from semid.progress import Progress
from semid.retrieval.dense import float_rows, read_float_rows

TRAINING_ROWS = 1 << 18
# With fewer rows a list faiss warns that the lists are badly placed.
TRAINING_ROWS_A_LIST = 39
log = logging.getLogger(__name__)


class FaissIndex:
    """An open index; it is an engine for the evaluation."""

    def __init__(self, index: Any) -> None:
        self._index = index

    @property
    def shape(self) -> tuple[int, int]:
        """(items, dim)."""
        return self._index.ntotal, self._index.d

    def probe(self, items: int) -> None:
        """Let a search visit as many inverted lists as hold `items` on average, if the index has lists."""
        lists = _lists_of(self._index)
        if lists is not None:
            lists.nprobe = min(lists.nlist, max(1, math.ceil(items * lists.nlist / self._index.ntotal)))

    def search(self, queries: torch.Tensor, k: int) -> np.ndarray:
        """Return int64 [queries, k]: item indices by inner product, best first; -1 where the index found fewer."""
        return self._index.search(queries.numpy(), min(k, self._index.ntotal))[1]


def train_index(
    vectors: Vectors,
    path: str | Path,
    shards: int = 1,
    normalize: bool = False,
    factory: str = "Flat",
    on_disk: bool = False,
    threads: int = 1,
    seed: int = 0,
    with_rows: bool = False,
) -> None:
    """Write an empty inner-product index, ready to be filled, to `path`; `with_rows` lets it keep numbers of rows.

    vectors: float16 or float32 [rows, dim]; `normalize` makes the rows unit length. `factory` is a string of
    faiss.index_factory. An index that needs training gets a sample of the rows, drawn with `seed`: 262,144, or 39 for
    each inverted list where these are more, in memory as float32. Raises InputError for a factory that faiss does not
    know, that cannot be merged from several `shards`, or that has no inverted lists which can be kept `on_disk`.
    """
    import faiss

    faiss.omp_set_num_threads(threads)
    index = _empty(factory, vectors.shape[1])
    lists = _lists_of(index)
    index = faiss.IndexIDMap(index) if with_rows and lists is None else index
    # The lists of fast-scan codes are packed in blocks, which lists on disk are not.
    if on_disk and (lists is None or lists.invlists.code_size != lists.code_size):
        raise InputError(
            f"faiss: on_disk keeps inverted lists in a file, and {factory!r} has none that can be: use IVF…,Flat, "
            "IVF…,SQ… or IVF…,PQ…"
        )
    _train(index, factory, vectors, np.arange(vectors.shape[0]), normalize, seed)
    if shards > 1 and not _can_be_merged(index):
        raise InputError(
            f"faiss cannot merge {factory!r} from the parts of {shards} shards: use Flat, SQ…, PQ… or IVF…, "
            "`shards: 1` for this dataset, or `faiss: false`"
        )
    _write(index, path)


def fill_index(
    trained_path: str | Path,
    vectors: Vectors,
    start: int,
    stop: int,
    path: str | Path,
    normalize: bool = False,
    threads: int = 1,
    rows: np.ndarray | None = None,
) -> None:
    """Write the index of :func:`train_index` with the rows `start <= row < stop` of `vectors` to `path`.

    vectors: float16 or float32 [rows, dim], of all that is indexed, read block by block; `normalize` as in training;
    rows: integers [rows], what a search returns instead of a row of `vectors`, for an index trained `with_rows`.
    Memory holds the index of these rows: `Flat` takes 4 * dim bytes a row, `SQfp16` half of that.
    """
    import faiss

    faiss.omp_set_num_threads(threads)
    index = _read(trained_path)
    _fill(index, vectors, start, stop, normalize, rows)
    _write(index, path)


def build_index(
    vectors: Vectors,
    factory: str,
    training_rows: np.ndarray,
    normalize: bool = False,
    training_threads: int = 1,
    threads: int = 1,
    seed: int = 0,
) -> FaissIndex:
    """Return an inner-product index over `vectors` [rows, dim], in memory, that is trained on `training_rows` alone.

    training_rows: int64 [m], which are sampled, with the errors of :func:`train_index`. A search uses `threads`.
    """
    import faiss

    faiss.omp_set_num_threads(training_threads)
    index = _empty(factory, vectors.shape[1])
    _train(index, factory, vectors, training_rows, normalize, seed)
    faiss.omp_set_num_threads(threads)
    _fill(index, vectors, 0, vectors.shape[0], normalize, None)
    return FaissIndex(index)


def _empty(factory: str, dim: int) -> Any:
    import faiss

    try:
        index = faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        raise InputError(
            f"faiss has no inner-product index {factory!r} of {dim} dimensions: use Flat, or a factory string it knows"
        ) from error
    if "IDMap" in factory or (isinstance(index, faiss.IndexRefine) and _lists_of(index) is not None):
        raise InputError(f"faiss: {factory!r} numbers items in a way of its own: leave out IDMap, and RFlat after IVF")
    return index


def _train(index: Any, factory: str, vectors: Vectors, rows: np.ndarray, normalize: bool, seed: int) -> None:
    if index.is_trained:
        return
    lists = _lists_of(index)
    wanted = max(TRAINING_ROWS, TRAINING_ROWS_A_LIST * lists.nlist if lists is not None else 0)
    drawn = np.random.default_rng(seed).choice(rows, min(wanted, len(rows)), replace=False)
    sample = read_float_rows(vectors, np.sort(drawn), normalize)
    log.info("training %s on %s of %s rows", factory, f"{len(sample):,}", f"{len(rows):,}")
    try:
        index.train(sample)
    except RuntimeError as error:
        raise InputError(f"faiss cannot train {factory!r} on {len(sample):,} items: {_reason(error)}") from error


def _fill(index: Any, vectors: Vectors, start: int, stop: int, normalize: bool, rows: np.ndarray | None) -> None:
    # Inverted lists store the numbers of their rows; other kinds of index count them, unless they are given.
    numbered = _lists_of(index) is not None or rows is not None
    _reserve(index, stop - start)
    step = block_rows(vectors.shape[1])
    with Progress(stop - start, "faiss") as progress:
        for first in range(start, stop, step):
            block = float_rows(vectors, slice(first, min(first + step, stop)), normalize).numpy()
            if numbered:
                numbers = np.arange(first, first + len(block))
                index.add_with_ids(block, numbers if rows is None else rows[numbers].astype(np.int64))
            else:
                index.add(block)
            progress.update(len(block))


def merge_indexes(
    trained_path: str | Path, part_paths: Sequence[str | Path], path: str | Path, on_disk: bool = False
) -> None:
    """Write the index over the rows of all parts of :func:`fill_index`, in the order given, to `path`.

    Memory holds the whole index and one part. With `on_disk` the inverted lists go to a file beside `path`, of the
    same name ending in `.ivfdata`, and are read from there when searched: memory then holds neither. Without it,
    those of an index before are removed.
    """
    parts, path = [Path(part) for part in part_paths], Path(path)
    if on_disk:
        _merge_on_disk(trained_path, parts, path)
        return
    path.with_suffix(".ivfdata").unlink(missing_ok=True)
    if len(parts) == 1:
        # The part is the whole: a hard link costs neither time nor disk, where the file system has such.
        with whole_file(path) as temporary:
            temporary.unlink()
            try:
                temporary.hardlink_to(parts[0])
            except OSError:
                shutil.copyfile(parts[0], temporary)
    else:
        _write(_merged(trained_path, parts), path)


def _merged(trained_path: str | Path, parts: Sequence[Path]) -> Any:
    import faiss

    index = _read(trained_path)
    _reserve(index, sum(_read(part, faiss.IO_FLAG_MMAP_IFC).ntotal for part in parts))
    with Progress(len(parts), "merging faiss", "parts") as progress:
        for part in parts:
            index.merge_from(_read(part), 0)
            progress.update(1)
    return index


def _merge_on_disk(trained_path: str | Path, parts: Sequence[Path], path: Path) -> None:
    import faiss
    from faiss.contrib.ondisk import merge_ondisk

    lists_path = path.with_suffix(".ivfdata")
    # Faiss writes the lists through a memory map, where a full disk kills the process without a word.
    needed, free = sum(part.stat().st_size for part in parts), shutil.disk_usage(path.parent).free
    if free < needed:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} ({needed:,} bytes are needed)", str(lists_path))
    with whole_file(path) as temporary, whole_file(lists_path) as temporary_lists:
        index = _read(trained_path)
        merge_ondisk(index, [str(part) for part in parts], str(temporary_lists))
        # The lists are looked up beside the index, wherever their folder is by then.
        lists: Any = faiss.downcast_InvertedLists(_lists_of(index).invlists)
        lists.filename = lists_path.name
        _save(index, temporary)
    log.info("%s: %s rows, lists in %s", path, f"{index.ntotal:,}", lists_path.name)


def _lists_of(index: Any) -> Any:
    """Return the index of inverted lists in `index`, or None."""
    import faiss

    return faiss.try_extract_index_ivf(index)


def _can_be_merged(index: Any) -> bool:
    try:
        # The indexes have to be trained, since faiss compares the centroids of their lists.
        index.check_compatible_for_merge(index)
    except RuntimeError:
        return False
    return True


def _reserve(index: Any, rows: int) -> None:
    """Take the memory of `rows` more rows at once, because an array that grows bit by bit doubles and is copied."""
    import faiss

    flat = faiss.downcast_index(index.index if isinstance(index, faiss.IndexIDMap) else index)
    if isinstance(flat, faiss.IndexFlatCodes):
        filled = flat.codes.size()
        flat.codes.resize(filled + rows * flat.code_size)
        flat.codes.resize(filled)


def load(path: str | Path, threads: int = 1) -> FaissIndex:
    """Open the index at `path`; InputError when it, or its lists on disk, is missing or broken."""
    import faiss

    faiss.omp_set_num_threads(threads)
    return FaissIndex(_read(path, faiss.IO_FLAG_ONDISK_SAME_DIR))


def _read(path: str | Path, flags: int = 0) -> Any:
    import faiss

    try:
        return faiss.read_index(str(path), flags)
    except RuntimeError as error:
        raise InputError(
            f"{path} is not a readable faiss index ({_reason(error)}): delete it and build it again"
        ) from error


def _write(index: Any, path: str | Path) -> None:
    with whole_file(path) as temporary:
        _save(index, temporary)
    log.info("%s: %s rows", path, f"{index.ntotal:,}")


def _save(index: Any, path: Path) -> None:
    import faiss

    # Where faiss opens the file itself, a disk too full for the last few bytes leaves a cut file and no error.
    with path.open("wb") as file:
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))  # type: ignore[attr-defined]


def _reason(error: RuntimeError) -> str:
    return str(error).strip().splitlines()[-1]
