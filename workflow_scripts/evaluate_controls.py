"""Evaluate what depends on a dataset alone: the whole catalogue, popularity, co-occurrence and categories."""

import logging
from pathlib import Path

import torch

from semid.embeddings import EmbeddingStore
from semid.evaluation import (
    Cooccurrence,
    EvaluationSettings,
    build_queries,
    evaluate_controls,
    fitted_settings,
    read_interactions,
    write_outcomes,
)
from semid.joblog import job_log
from semid.retrieval import InvertedIndex, faiss_index, read_first_of_identical
from semid.semantic_ids import category_codes

with job_log(snakemake.log[0]):
    torch.set_num_threads(snakemake.threads)
    settings = fitted_settings(EvaluationSettings(**snakemake.params.settings), snakemake.input.get("query"))
    interactions = read_interactions(Path(snakemake.input.splits[0]).parent, settings.split)
    vectors = EmbeddingStore.open(snakemake.input.manifest)
    index = snakemake.input.get("faiss")
    if not index:
        logging.getLogger("semid").info("no FAISS index: the whole catalogue is searched by exact inner products")
    queries = build_queries(interactions, settings.split, settings.max_users, settings.seed)
    counts = interactions.training_counts(len(vectors))
    categories = category_codes(snakemake.input.catalogue)
    rows, ranks = evaluate_controls(
        snakemake.wildcards.dataset,
        queries,
        vectors,
        read_first_of_identical(snakemake.input.representatives, len(vectors)),
        counts,
        Cooccurrence.build(interactions.training_steps(), len(vectors)),
        settings,
        engine=faiss_index.load(index[0], snakemake.threads) if index else None,
        categories=InvertedIndex.build(categories) if categories.any() else None,
        normalize=snakemake.params.normalize,
        note=snakemake.params.note,
    )
    write_outcomes(snakemake.output, rows, ranks, queries, counts, settings)
