"""Score a tokenizer's codes: scorecard and codebook page."""

from pathlib import Path

import torch

from semid.embeddings import EmbeddingStore
from semid.joblog import job_log
from semid.quantizers import Tokenizer
from semid.retrieval import read_first_of_identical
from semid.semantic_ids import score_tokenizer

with job_log(snakemake.log[0]):
    torch.set_num_threads(snakemake.threads)
    vectors = EmbeddingStore.open(snakemake.input.manifest)
    score_tokenizer(
        snakemake.input.catalogue,
        snakemake.input.codes,
        vectors,
        read_first_of_identical(snakemake.input.representatives, len(vectors)),
        Tokenizer.from_pretrained(Path(snakemake.input.model).parent),
        snakemake.wildcards.dataset,
        snakemake.wildcards.tokenizer,
        snakemake.output.scorecard,
        snakemake.output.page,
        snakemake.params.note,
    )
