"""Evaluate indexes that need no semantic IDs, at the same numbers of candidates."""

from pathlib import Path

import torch

from semid.embeddings import EmbeddingStore
from semid.evaluation import (
    EvaluationSettings,
    build_queries,
    evaluate_peers,
    fitted_settings,
    read_interactions,
    write_table,
)
from semid.joblog import job_log
from semid.retrieval import read_first_of_identical

with job_log(snakemake.log[0]):
    torch.set_num_threads(snakemake.threads)
    settings = fitted_settings(EvaluationSettings(**snakemake.params.settings), snakemake.input.get("query"))
    interactions = read_interactions(Path(snakemake.input.splits[0]).parent, settings.split)
    vectors = EmbeddingStore.open(snakemake.input.manifest)
    rows = evaluate_peers(
        snakemake.wildcards.dataset,
        build_queries(interactions, settings.split, settings.max_users, settings.seed),
        vectors,
        read_first_of_identical(snakemake.input.representatives, len(vectors)),
        interactions.training_counts(len(vectors)),
        settings,
        normalize=snakemake.params.normalize,
        training_threads=snakemake.params.training_threads,
        threads=snakemake.threads,
        note=snakemake.params.note,
    )
    write_table(rows, snakemake.output[0])
