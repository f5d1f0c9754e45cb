"""The embedding stage: one call a shard, then one for the manifest."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from semid.embeddings.external import gather_own_vectors
from semid.embeddings.settings import EmbeddingSettings, EncoderSettings, HashingSettings, OwnVectors
from semid.embeddings.store import cast, new_part, shard_range, write_manifest
from semid.embeddings.text import item_texts
from semid.errors import InputError
from semid.progress import Progress

logger = logging.getLogger(__name__)


def _count_items(items_path: str | Path) -> int:
    rows = pq.read_metadata(items_path).num_rows
    if not rows:
        raise InputError(f"{items_path}: no items to embed")
    return rows


def embed_shard(
    items_path: str | Path,
    shard: int,
    shards: int,
    settings: EmbeddingSettings,
    output: str | Path,
    device: str = "auto",
    batch_size: int = 32,
    threads: int = 1,
) -> None:
    """Write the embeddings of one shard of `items.parquet` to `output`, in the order of the items.

    `device`, `batch_size` and `threads` concern encoders only.
    """
    rows = _count_items(items_path)
    start, stop = shard_range(rows, shard, shards)
    if isinstance(settings, OwnVectors):
        item_ids = pq.read_table(items_path, columns=["item_id"])["item_id"]
        gather_own_vectors(settings, item_ids, start, stop, output)
    else:
        _embed_texts(items_path, rows, start, stop, settings, output, device, batch_size, threads)


# torch, transformers and scikit-learn take seconds to import, and readers of a store need none of them.
def _text_encoder(settings: EncoderSettings | HashingSettings, device: str, threads: int) -> Any:
    if isinstance(settings, HashingSettings):
        from semid.embeddings.hashing import HashingEncoder

        return HashingEncoder(settings)
    import torch

    from semid.embeddings.encoder import TransformerEncoder

    torch.set_num_threads(threads)
    return TransformerEncoder(settings, device)


def _embed_texts(
    items_path: str | Path,
    rows: int,
    start: int,
    stop: int,
    settings: EncoderSettings | HashingSettings,
    output: str | Path,
    device: str,
    batch_size: int,
    threads: int,
) -> None:
    # A catalogue without any text is refused; a shard without text in a catalogue that has some is not.
    if not any(any(texts) for texts in item_texts(items_path, settings.text, 0, rows)):
        raise InputError(
            f"{items_path}: no text to embed (template {settings.text!r}): "
            "give embeddings or an items table with titles"
        )
    encoder = _text_encoder(settings, device, threads)
    done = empty = 0
    with (
        new_part(output, stop - start, encoder.dim, settings.dtype) as part,
        Progress(stop - start, "embedding items", "items") as progress,
    ):
        for texts in item_texts(items_path, settings.text, start, stop):
            vectors = encoder.encode(texts, batch_size, progress)
            rows_here = np.arange(start + done, start + done + len(texts))
            part[done : done + len(texts)] = cast(vectors, settings.dtype, rows_here)
            done += len(texts)
            empty += texts.count("")
    if empty:
        logger.warning("%d of %d items have no text under the template %r", empty, done, settings.text)


def embedding_space(settings: EmbeddingSettings) -> dict[str, Any]:
    """What identifies the space of the embeddings that `settings` make; the manifest adds the width."""
    if isinstance(settings, OwnVectors):
        return {"model": f"own vectors: {settings.space}", "normalize": settings.normalize}
    if isinstance(settings, HashingSettings):
        return {"model": "hashing", "seed": settings.seed, "text": settings.text}
    from semid.embeddings.encoder import encoder_space

    return encoder_space(settings)


def embed_manifest(
    items_path: str | Path, parts: Sequence[str | Path], settings: EmbeddingSettings, output: str | Path
) -> None:
    """Check the parts of all shards, in order, and write their manifest."""
    write_manifest(output, parts, embedding_space(settings), _count_items(items_path))
