"""Evaluate one tokenizer: the ranks of held-out items among the candidates that its codes give."""

from pathlib import Path

import torch

from semid.embeddings import EmbeddingStore
from semid.evaluation import (
    CodeSpace,
    EvaluationSettings,
    build_queries,
    evaluate_tokenizer,
    read_interactions,
    write_outcomes,
)
from semid.joblog import job_log
from semid.naming import TokenizerName
from semid.quantizers import DecodedVectors, Tokenizer
from semid.retrieval import CodeTree, InvertedIndex, read_first_of_identical

with job_log(snakemake.log[0]), torch.inference_mode():
    torch.set_num_threads(snakemake.threads)
    settings = EvaluationSettings(**snakemake.params.settings)
    interactions = read_interactions(Path(snakemake.input.splits[0]).parent, settings.split)
    queries = build_queries(interactions, settings.split, settings.max_users, settings.seed)
    index = InvertedIndex.load(Path(snakemake.input.index[0]).parent)
    tokenizer = Tokenizer.from_pretrained(Path(snakemake.input.model).parent)
    vectors = EmbeddingStore.open(snakemake.input.manifest)
    rows, ranks = evaluate_tokenizer(
        snakemake.wildcards.dataset,
        TokenizerName.parse(snakemake.wildcards.tokenizer).with_size(tokenizer.num_levels, tokenizer.codebook_size),
        queries,
        index,
        vectors,
        read_first_of_identical(snakemake.input.representatives, len(vectors)),
        settings,
        space=CodeSpace(CodeTree.build(index, tokenizer.codebooks_), tokenizer.latent),
        decoded=DecodedVectors(tokenizer, index.codes),
        normalize=snakemake.params.normalize,
        note=snakemake.params.note,
    )
    write_outcomes(snakemake.output, rows, ranks, queries, interactions.training_counts(len(vectors)), settings)
