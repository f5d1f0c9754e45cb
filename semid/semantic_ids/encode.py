"""The encode stage: one call a shard."""

from pathlib import Path
from typing import Any

from semid.embeddings import EmbeddingStore
from semid.errors import InputError
from semid.files import open_array
from semid.methods import GIVEN_CODES, METHODS
from semid.naming import TokenizerName
from semid.progress import Progress
from semid.quantizers import Compute, Tokenizer
from semid.semantic_ids.codes import write_codes


def encode_shard(
    model: str | Path, name: str, part: str | Path, manifest: str | Path, output: str | Path, compute: Compute
) -> None:
    """Write the codes of one shard of the items to `output`.

    `model` is the file of the tokenizer called `name`, `part` the shard's embeddings, `manifest` that of the store.
    Raises `InputError` as :func:`encode_items` does, and for files that are not what they should be.
    """
    tokenizer = Tokenizer.from_pretrained(Path(model).parent)
    vectors = open_array(part, "f", "embeddings [rows, dim]")
    encode_items(tokenizer, name, vectors, EmbeddingStore.open(manifest).space, output, compute)


def encode_items(
    tokenizer: Tokenizer, name: str, vectors: Any, space: dict[str, Any], output: str | Path, compute: Compute
) -> None:
    """Write the codes of embeddings `vectors` [n, dim], one shard, to `output`.

    `space` identifies the embeddings. `InputError` when the tokenizer is not of the size that its `name` says, or was
    trained on other embeddings.
    """
    expected = TokenizerName.parse(name)
    if expected.method in GIVEN_CODES:
        raise InputError(f"{name}: {GIVEN_CODES[expected.method].not_encoded}")
    if type(tokenizer).__name__ != METHODS[expected.method].class_name:
        raise InputError(f"{name} names a {expected.method}, the loaded tokenizer is a {type(tokenizer).__name__}")
    if (tokenizer.num_levels, tokenizer.codebook_size) != (expected.num_levels, expected.codebook_size):
        raise InputError(
            f"{name} names {expected.num_levels} x {expected.codebook_size} codes, the loaded tokenizer has "
            f"{tokenizer.num_levels} x {tokenizer.codebook_size}: name it by its size"
        )
    trained_on = tokenizer.metadata.get("embeddings")
    if trained_on != space:
        raise InputError(
            f"{name} was trained on other embeddings: it expects {trained_on}, these are {space}. "
            "Embed the items with the same settings (for vectors of your own that the same model made, the same "
            "`embeddings: space`), or train a tokenizer on these"
        )
    with Progress(len(vectors), f"encoding with {name}", "items") as progress:
        codes = tokenizer.encode(vectors, compute, progress.update)
    write_codes(output, codes, tokenizer.codebook_size)
