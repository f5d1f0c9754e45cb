"""The whole-catalogue FAISS index: the one module that imports faiss."""

import importlib.util
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from semid.errors import InputError
from semid.files import whole_file
from semid.progress import Progress
from semid.retrieval.dense import Vectors, block_rows, float_rows

TRAINING_ROWS = 1 << 18
log = logging.getLogger(__name__)


def is_available() -> bool:
    """Whether faiss is installed."""
    return importlib.util.find_spec("faiss") is not None


class FaissIndex:
    """An open index; `search` has the signature that the evaluation asks of an engine."""

    def __init__(self, index: Any) -> None:
        self._index = index

    @property
    def shape(self) -> tuple[int, int]:
        """(items, dim)."""
        return self._index.ntotal, self._index.d

    def search(self, queries: torch.Tensor, k: int) -> np.ndarray:
        """int64 [queries, k]: item indices by inner product, best first; -1 where the index found fewer."""
        return self._index.search(queries.numpy(), min(k, self._index.ntotal))[1]


def build_index(
    parts: Sequence[Vectors],
    path: str | Path,
    normalize: bool = False,
    factory: str = "Flat",
    threads: int = 1,
    seed: int = 0,
) -> None:
    """Write an inner-product index over the rows of `parts`, in order, to `path`.

    parts: float16 or float32 [rows, dim], read block by block; `normalize` makes the rows unit length. `factory` is a
    string of faiss.index_factory; one that needs training gets at most 262,144 rows, drawn with `seed`. The index is
    in memory as a whole while it is built: `Flat` takes 4 * dim bytes an item, `SQfp16` half of that.
    """
    import faiss

    faiss.omp_set_num_threads(threads)
    try:
        index = faiss.index_factory(parts[0].shape[1], factory, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        raise InputError(f"faiss does not know the factory {factory!r}: use Flat, or a string it knows") from error
    if not index.is_trained:
        index.train(_sample(parts, normalize, seed))
    rows = sum(part.shape[0] for part in parts)
    step = block_rows(parts[0].shape[1])
    with Progress(rows, "faiss") as progress:
        for part in parts:
            for start in range(0, part.shape[0], step):
                block = float_rows(part, slice(start, start + step), normalize)
                index.add(block.numpy())
                progress.update(len(block))
    with whole_file(path) as temporary:
        faiss.write_index(index, str(temporary))
    log.info("%s: %s rows, %s", path, f"{rows:,}", factory)


def _sample(parts: Sequence[Vectors], normalize: bool, seed: int) -> np.ndarray:
    ends = np.cumsum([part.shape[0] for part in parts])
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(ends[-1], min(TRAINING_ROWS, ends[-1]), replace=False))
    of_parts = np.split(rows, np.searchsorted(rows, ends[:-1]))
    starts = ends - [part.shape[0] for part in parts]
    chosen = zip(parts, of_parts, starts, strict=True)
    return torch.cat([float_rows(part, local - start, normalize) for part, local, start in chosen]).numpy()


def load(path: str | Path, threads: int = 1) -> FaissIndex:
    """Open the index at `path`; InputError when it is missing or no index."""
    import faiss

    faiss.omp_set_num_threads(threads)
    try:
        return FaissIndex(faiss.read_index(str(path)))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(f"{path} is not a readable faiss index ({reason}): delete it and build it again") from error
