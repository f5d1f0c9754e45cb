"""Codewords for codes that no vectors made."""

from pathlib import Path

import torch

from semid.embeddings import Rows, training_rows
from semid.methods import GIVEN_CODES
from semid.naming import TokenizerName
from semid.parts import Parts
from semid.progress import Progress
from semid.quantizers import Compute, ExternalCodes
from semid.semantic_ids.codes import open_codes
from semid.semantic_ids.train import TrainingFiles


def fit_external(
    dataset: str, name: str, codes_paths: list[str], files: TrainingFiles, batch_size: int, threads: int
) -> None:
    """Give codewords to the codes of the tokenizer called `name`, from the embeddings of `dataset`'s training items.

    `codes_paths` are the parts of the codes of all items, in order. `files.model` is written with its `config.json`.
    """
    torch.set_num_threads(threads)
    store, vectors = files.open_vectors()
    codes = open_codes(codes_paths)
    parsed = TokenizerName.parse(name)
    sizes = codebook_sizes(parsed, codes)
    tokenizer = ExternalCodes(
        num_levels=len(sizes),
        codebook_size=max(sizes),
        codebook_sizes=sizes if len(set(sizes)) > 1 else None,
        metadata={"dataset": dataset, "embeddings": store.space, "codes": parsed.method},
    )
    trained = Rows(codes, training_rows(files.catalogue))
    with Progress(len(vectors) * tokenizer.num_levels, "averaging by code") as progress:
        tokenizer.fit(vectors, Compute(batch_size=batch_size), codes=trained, progress=progress.update)
    tokenizer.save_pretrained(Path(files.model).parent)


def codebook_sizes(name: TokenizerName, codes: Parts) -> tuple[int, ...]:
    """Return the codebook size of every level: what the name says, or else what the codes [n, L] of all items need."""
    if name.sizes:
        return name.sizes
    largest: list[int] = codes[:].max(axis=0).tolist()
    if GIVEN_CODES[name.method].has_own_sizes:
        return tuple(code + 1 for code in largest)
    return (max(largest) + 1,) * len(largest)
