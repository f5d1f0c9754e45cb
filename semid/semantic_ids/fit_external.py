"""Codewords for codes that were made elsewhere."""

from pathlib import Path

import torch

from semid.embeddings import Rows, training_rows
from semid.progress import Progress
from semid.quantizers import Compute, ExternalCodes
from semid.semantic_ids.codes import open_codes
from semid.semantic_ids.train import TrainingFiles


def fit_external(dataset: str, codes_paths: list[str], files: TrainingFiles, batch_size: int, threads: int) -> None:
    """Give codewords to codes that were made elsewhere, from the embeddings of the training items of `dataset`.

    `codes_paths` are the parts of the codes of all items, in order. `files.model` is written with its `config.json`.
    """
    torch.set_num_threads(threads)
    store, vectors = files.open_vectors()
    codes = open_codes(codes_paths)
    tokenizer = ExternalCodes(
        num_levels=codes.shape[1],
        codebook_size=int(codes[:].max()) + 1,
        metadata={"dataset": dataset, "embeddings": store.space},
    )
    trained = Rows(codes, training_rows(files.catalogue))
    with Progress(len(vectors) * tokenizer.num_levels, "averaging by code") as progress:
        tokenizer.fit(vectors, Compute(batch_size=batch_size), codes=trained, progress=progress.update)
    tokenizer.save_pretrained(Path(files.model).parent)
