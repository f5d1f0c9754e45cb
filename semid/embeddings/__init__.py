"""Item embeddings: `items.parquet` (or the user's own vectors) comes in, a sharded store of vectors goes out,
and beside it which of them are identical.

`semid.embeddings.encoder` holds the transformer encoder and is imported only where one is used.
"""

from semid.embeddings.embed import embed_manifest, embed_shard, embedding_space
from semid.embeddings.identical import (
    first_of_core,
    first_of_identical,
    read_first_of_identical,
    write_first_of_identical,
)
from semid.embeddings.own_ids import catalogue_ids, read_ids
from semid.embeddings.settings import EncoderSettings, HashingSettings, OwnVectors, embedding_settings
from semid.embeddings.store import EmbeddingStore, Rows, core_vectors, shard_range, training_rows, write_manifest

__all__ = [
    "EmbeddingStore",
    "EncoderSettings",
    "HashingSettings",
    "OwnVectors",
    "Rows",
    "catalogue_ids",
    "core_vectors",
    "embed_manifest",
    "embed_shard",
    "embedding_settings",
    "embedding_space",
    "first_of_core",
    "first_of_identical",
    "read_first_of_identical",
    "read_ids",
    "shard_range",
    "training_rows",
    "write_first_of_identical",
    "write_manifest",
]
