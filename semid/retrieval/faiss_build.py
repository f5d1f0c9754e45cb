"""The first two steps of a whole-catalogue FAISS index: it is trained on a store of embeddings, and filled by shard."""

from pathlib import Path

from semid.embeddings import EmbeddingStore, shard_range
from semid.parts import shard_numbers
from semid.retrieval import faiss_index


def train_on_store(
    manifest_path: str | Path, path: str | Path, factory: str, normalize: bool, on_disk: bool, threads: int = 1
) -> None:
    """Write an empty index that is trained on the embeddings of a manifest, as :func:`faiss_index.train_index` does."""
    store = EmbeddingStore.open(manifest_path)
    faiss_index.train_index(store, path, len(store.parts), normalize, factory, on_disk, threads)


def fill_from_store(
    trained_path: str | Path, manifest_path: str | Path, shard: str, path: str | Path, normalize: bool, threads: int = 1
) -> None:
    """Write the trained index, filled with one shard of the embeddings of a manifest.

    `shard` is the number of the shard and how many there are, as in `00000-of-00002`.
    """
    store = EmbeddingStore.open(manifest_path)
    start, stop = shard_range(len(store), *shard_numbers(shard))
    faiss_index.fill_index(trained_path, store, start, stop, path, normalize, threads)
