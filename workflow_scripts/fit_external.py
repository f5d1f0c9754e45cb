"""Give codewords to codes that were made elsewhere, from the embeddings of the training items."""

from pathlib import Path

import torch

from semid.embeddings import EmbeddingStore, Rows, training_rows
from semid.jobs.log import job_log
from semid.progress import Progress
from semid.quantizers import Compute, ExternalCodes
from semid.semantic_ids import open_codes

with job_log(snakemake.log[0]):
    torch.set_num_threads(snakemake.threads)
    store = EmbeddingStore.open(snakemake.input.manifest)
    rows = training_rows(snakemake.input.catalogue)
    codes = open_codes(snakemake.input.codes)
    tokenizer = ExternalCodes(
        num_levels=codes.shape[1],
        codebook_size=int(codes[:].max()) + 1,
        metadata={"dataset": snakemake.wildcards.dataset, "embeddings": store.space},
    )
    with Progress(len(rows) * tokenizer.num_levels, "averaging by code") as progress:
        tokenizer.fit(
            Rows(store, rows),
            Compute(batch_size=snakemake.resources.batch_size),
            codes=Rows(codes, rows),
            progress=progress.update,
        )
    tokenizer.save_pretrained(Path(snakemake.output.model).parent)
