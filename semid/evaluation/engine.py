"""The search engine of a dataset's evaluation: its FAISS index, where there is one."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from semid.evaluation.whole_catalogue import SearchEngine
from semid.items import CoreItems
from semid.retrieval import faiss_index

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class CoreEngine:
    """An engine that finds rows of the item table, as one that gives the numbers of these among the core items."""

    engine: SearchEngine
    core: CoreItems

    @property
    def shape(self) -> tuple[int, int]:
        """(items, dim)."""
        return self.engine.shape

    def search(self, queries: Tensor, k: int) -> np.ndarray:
        """Return int64 [queries, k]: numbers of core items, best first, -1 where there are fewer."""
        return self.core.numbers(self.engine.search(queries, k))


def open_engine(index_files: Sequence[str], catalogue: str | Path, threads: int = 1) -> SearchEngine | None:
    """Open the index of which `index_files` are the files, for a benchmark of the item table.

    Returns None for no files, with a line in the log.
    """
    if not index_files:
        log.info("there is no FAISS index: the whole catalogue is searched by exact inner products")
        return None
    return CoreEngine(faiss_index.load(index_files[0], threads), CoreItems.read(catalogue))
