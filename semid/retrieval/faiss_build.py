"""The first two steps of a FAISS index of all core items: it is trained on their embeddings, and filled by shard."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from semid.embeddings import EmbeddingStore, core_vectors, shard_range
from semid.items import CoreItems
from semid.parts import shard_numbers
from semid.retrieval import faiss_index


class CoreFiles(NamedTuple):
    """The files that say what is indexed: the manifest of the embeddings, and the item table."""

    manifest: str | Path
    items: str | Path

    def open(self) -> tuple[EmbeddingStore, CoreItems]:
        """Open the embeddings of all items, and say which items are core items."""
        return EmbeddingStore.open(self.manifest), CoreItems.read(self.items)


def train_on_store(
    files: CoreFiles, path: str | Path, factory: str, normalize: bool, on_disk: bool, threads: int = 1
) -> None:
    """Write an empty index that is trained on embeddings of core items, as :func:`faiss_index.train_index` does.

    Where some items are no core items, it keeps the row of every item.
    """
    store, core = files.open()
    vectors, shards = core_vectors(store, core), len(store.parts)
    faiss_index.train_index(vectors, path, shards, normalize, factory, on_disk, threads, with_rows=not core.is_all)


def fill_from_store(
    trained_path: str | Path, files: CoreFiles, shard: str, path: str | Path, normalize: bool, threads: int = 1
) -> None:
    """Write the trained index, filled with the core items of one shard, by their rows in the item table.

    `shard` is the number of the shard and how many there are, as in `00000-of-00002`.
    """
    store, core = files.open()
    start, stop = np.searchsorted(core.rows, shard_range(len(store), *shard_numbers(shard))).tolist()
    rows = None if core.is_all else core.rows
    faiss_index.fill_index(trained_path, core_vectors(store, core), start, stop, path, normalize, threads, rows)
