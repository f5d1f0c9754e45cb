"""Evaluate what depends on a dataset alone: search of the whole catalogue, and popularity."""

import logging
from pathlib import Path

import torch

from semid.embeddings import EmbeddingStore
from semid.evaluation import EvaluationSettings, build_queries, evaluate_controls, read_interactions, write_table
from semid.joblog import job_log
from semid.retrieval import faiss_index

with job_log(snakemake.log[0]):
    torch.set_num_threads(snakemake.threads)
    settings = EvaluationSettings(**snakemake.params.settings)
    interactions = read_interactions(Path(snakemake.input.splits[0]).parent, settings.split)
    vectors = EmbeddingStore.open(snakemake.input.manifest)
    index = snakemake.input.get("faiss")
    if not index:
        logging.getLogger("semid").info("no FAISS index: the whole catalogue is searched by exact inner products")
    rows = evaluate_controls(
        snakemake.wildcards.dataset,
        build_queries(interactions, settings.split, settings.max_users, settings.seed),
        vectors,
        interactions.training_counts(len(vectors)),
        settings,
        engine=faiss_index.load(index, snakemake.threads) if index else None,
        normalize=snakemake.params.normalize,
        note=snakemake.params.note,
    )
    write_table(rows, snakemake.output[0])
