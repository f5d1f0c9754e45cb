"""Score a tokenizer's codes: scorecard and codebook page."""

from pathlib import Path

import torch

from semid.embeddings import EmbeddingStore
from semid.evaluation.queries import read_interactions
from semid.evaluation.structure import DescribedItems, structure_figures
from semid.jobs.log import job_log
from semid.quantizers import Decoder
from semid.retrieval.identical import read_first_of_identical
from semid.semantic_ids import category_codes, open_codes, score_tokenizer

with job_log(snakemake.log[0]):
    torch.set_num_threads(snakemake.threads)
    codes = open_codes(snakemake.input.codes)[:]
    vectors = EmbeddingStore.open(snakemake.input.manifest)
    first_of_identical = read_first_of_identical(snakemake.input.representatives, len(vectors))
    tokenizer = Decoder.from_pretrained(Path(snakemake.input.model).parent)
    items = DescribedItems(vectors, first_of_identical, category_codes(snakemake.input.catalogue))
    train = snakemake.input.train
    interactions = read_interactions(Path(train[0]).parent, "train") if train else None
    structure = structure_figures(codes, tokenizer, items, interactions)
    score_tokenizer(
        snakemake.input.catalogue,
        codes,
        vectors,
        first_of_identical,
        tokenizer,
        snakemake.wildcards.dataset,
        snakemake.wildcards.tokenizer,
        snakemake.output.scorecard,
        snakemake.output.page,
        snakemake.params.note,
        structure,
    )
