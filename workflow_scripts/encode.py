"""Encode one shard of a dataset's items with a trained tokenizer."""

from pathlib import Path

import torch

from semid.device import resolve_device
from semid.embeddings import EmbeddingStore
from semid.files import open_array
from semid.jobs.log import job_log
from semid.quantizers import Compute, Tokenizer
from semid.semantic_ids import encode_items

with job_log(snakemake.log[0]):
    torch.set_num_threads(snakemake.threads)
    encode_items(
        Tokenizer.from_pretrained(Path(snakemake.input.model).parent),
        snakemake.wildcards.tokenizer,
        open_array(snakemake.input.part, "f", "embeddings [rows, dim]"),
        EmbeddingStore.open(snakemake.input.manifest).space,
        snakemake.output[0],
        Compute(
            device=str(resolve_device(snakemake.resources.device)),
            batch_size=snakemake.resources.batch_size,
            codeword_block=snakemake.resources.codeword_block,
        ),
    )
