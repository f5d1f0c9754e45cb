"""The embedding stage: one call a shard, then one for the manifest."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from semid.embeddings.own_vectors import gather_own_vectors
from semid.embeddings.partial import PartialPart, resumable_part
from semid.embeddings.settings import EmbeddingSettings, EncoderSettings, HashingSettings, OwnVectors
from semid.embeddings.store import cast, shard_range, write_manifest
from semid.embeddings.text import first_rows, item_texts, text_digest, text_digests
from semid.errors import InputError
from semid.items import count_items
from semid.jobs.digests import code_digest
from semid.progress import Progress

logger = logging.getLogger(__name__)
T = TypeVar("T")


class TextEncoder(Protocol):
    """The interface of an encoder. `made_by` names the software and the device on which the last bits depend."""

    dim: int
    made_by: dict[str, str]

    def tokenize(self, texts: list[str]) -> Any:
        """The input of :meth:`encode_tokens`. It is made in another thread."""

    def encode_tokens(self, tokens: Any, batch_size: int, progress: Progress | None = None) -> np.ndarray:
        """Vectors `[n, dim]` in float32, each of which depends on its own text alone."""

    def encode(self, texts: list[str], batch_size: int = 32, progress: Progress | None = None) -> np.ndarray:
        """The same of texts, in their order."""


def _count_items(items_path: str | Path) -> int:
    rows = count_items(items_path)
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
    compile_encoder: bool = False,
) -> None:
    """Write the embeddings of one shard of `items.parquet` to `output`, in the order of the items.

    `device`, `batch_size`, `threads` and `compile_encoder` concern encoders only. A text that several items of the
    shard share is encoded once. After an interruption the same call continues after the recorded rows and ends with
    the same bytes.
    """
    rows = _count_items(items_path)
    start, stop = shard_range(rows, shard, shards)
    if isinstance(settings, OwnVectors):
        gather_own_vectors(settings, items_path, start, stop, output)
        return
    # a shard may have no text if other shards have some
    digests = text_digests(items_path, settings.text, start, stop)
    without = int((digests == text_digest("")).sum())
    if without == len(digests) and not any(any(texts) for texts in item_texts(items_path, settings.text, 0, rows)):
        raise InputError(
            f"{items_path}: no text to embed (template {settings.text!r}): "
            "give embeddings or an items table with titles"
        )
    if without:
        logger.warning("%d of %d items have no text under the template %r", without, len(digests), settings.text)
    first = first_rows(digests)
    spared = len(first) - int((first == np.arange(len(first))).sum())
    if spared:
        logger.info("%d of %d items have the text of an earlier one and are not encoded again", spared, len(first))
    encoder = text_encoder(settings, device, threads, compile_encoder)
    key = {
        "settings": asdict(settings),
        "model": embedding_space(settings),
        "texts": hashlib.sha256(digests.tobytes()).hexdigest(),
        "code": code_digest(__name__),
        "software or device": encoder.made_by,
        "batch size, threads or compiling": [batch_size, threads, compile_encoder],
    }
    with resumable_part(output, len(first), encoder.dim, settings.dtype, key) as part:
        windows = item_texts(items_path, settings.text, start + part.done, stop)
        _embed_windows(encoder, windows, first, start, batch_size, part)


def _embed_windows(
    encoder: TextEncoder,
    windows: Iterator[list[str]],
    first: np.ndarray,
    start: int,
    batch_size: int,
    part: PartialPart,
) -> None:
    """Fill `part` from its row `part.done` on with the vectors of the texts in `windows`.

    `first [rows]` is the first row of the shard with the text of each, `start` the shard's first row in the catalogue.
    """
    dtype = part.vectors.dtype.name
    tokenized = _tokenized(encoder, windows, first, part.done)
    with Progress(len(first) - part.done, "embedding items", "items") as progress:
        for rows, new, tokens in _one_ahead(tokenized):
            if len(new):
                vectors = encoder.encode_tokens(tokens, batch_size, progress)
                part.vectors[new] = cast(vectors, dtype, start + new)
            copies = rows[first[rows] != rows]
            part.vectors[copies] = part.vectors[first[copies]]
            progress.update(len(copies))
            part.keep(int(rows[-1]) + 1)


def _tokenized(
    encoder: TextEncoder, windows: Iterator[list[str]], first: np.ndarray, done: int
) -> Iterator[tuple[np.ndarray, np.ndarray, Any]]:
    """The rows of each window, those among them that have a new text, and the tokens of the new texts."""
    for texts in windows:
        rows = np.arange(done, done + len(texts))
        new = rows[first[rows] == rows]
        yield rows, new, encoder.tokenize([texts[row - done] for row in new]) if len(new) else None
        done += len(texts)


def _one_ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield `items`; a worker thread makes each of them while the one before it is in use."""
    with ThreadPoolExecutor(1) as worker:
        coming = worker.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = worker.submit(next, items, None)
            yield item


# torch, transformers and scikit-learn take seconds to import, and readers of a store need none of them.
def text_encoder(
    settings: EncoderSettings | HashingSettings, device: str, threads: int, compile_encoder: bool
) -> TextEncoder:
    """The encoder of these settings, on a device and, where that is a CPU, with so many threads of torch."""
    if isinstance(settings, HashingSettings):
        from semid.embeddings.hashing import HashingEncoder

        return HashingEncoder(settings)
    import torch

    from semid.embeddings.encoder import TransformerEncoder

    torch.set_num_threads(threads)
    return TransformerEncoder(settings, device, compile_encoder)


def embedding_space(settings: EmbeddingSettings) -> dict[str, Any]:
    """The identity of the space of embeddings made with `settings`; the manifest adds the width."""
    if isinstance(settings, OwnVectors):
        return {"model": f"own vectors: {settings.space}", "normalize": settings.normalize}
    if isinstance(settings, HashingSettings):
        return {"model": "hashing", "seed": settings.seed, "text": settings.text}
    from semid.embeddings.encoder_files import encoder_space

    return encoder_space(settings)


def embed_manifest(
    items_path: str | Path, parts: Sequence[str | Path], settings: EmbeddingSettings, output: str | Path
) -> None:
    """Check the parts of all shards, in order, and write their manifest."""
    write_manifest(output, parts, embedding_space(settings), _count_items(items_path))
