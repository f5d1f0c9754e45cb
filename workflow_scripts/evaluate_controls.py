"""Evaluate what depends on a dataset alone: search of the whole catalogue, and popularity."""

import logging
from pathlib import Path

import torch

from semid.embeddings import EmbeddingStore
from semid.evaluation import EvaluationSettings, build_queries, evaluate_controls, read_interactions, write_outcomes
from semid.joblog import job_log
from semid.retrieval import faiss_index, read_first_of_identical

with job_log(snakemake.log[0]):
    torch.set_num_threads(snakemake.threads)
    settings = EvaluationSettings(**snakemake.params.settings)
    interactions = read_interactions(Path(snakemake.input.splits[0]).parent, settings.split)
    vectors = EmbeddingStore.open(snakemake.input.manifest)
    index = snakemake.input.get("faiss")
    if not index:
        logging.getLogger("semid").info("no FAISS index: the whole catalogue is searched by exact inner products")
    queries = build_queries(interactions, settings.split, settings.max_users, settings.seed)
    counts = interactions.training_counts(len(vectors))
    rows, ranks = evaluate_controls(
        snakemake.wildcards.dataset,
        queries,
        vectors,
        read_first_of_identical(snakemake.input.representatives, len(vectors)),
        counts,
        settings,
        engine=faiss_index.load(index[0], snakemake.threads) if index else None,
        normalize=snakemake.params.normalize,
        note=snakemake.params.note,
    )
    write_outcomes(snakemake.output, rows, ranks, queries, counts, settings)
