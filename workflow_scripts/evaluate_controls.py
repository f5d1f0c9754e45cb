"""Evaluate what depends on a dataset alone: the whole catalogue, popularity, co-occurrence and categories."""

import logging

import torch

from semid.evaluation.controls import Cooccurrence, evaluate_controls
from semid.evaluation.files import open_benchmark
from semid.evaluation.outcomes import write_outcomes
from semid.jobs.log import job_log
from semid.retrieval import faiss_index
from semid.retrieval.inverted import InvertedIndex
from semid.semantic_ids import category_codes

with job_log(snakemake.log[0]):
    torch.set_num_threads(snakemake.threads)
    files, params = snakemake.input, snakemake.params
    index = files.get("faiss")
    if not index:
        logging.getLogger("semid").info("no FAISS index: the whole catalogue is searched by exact inner products")
    benchmark, interactions = open_benchmark(
        files, snakemake.wildcards.dataset, params.settings, params.normalize, params.note
    )
    categories = category_codes(files.catalogue)
    rows, ranks = evaluate_controls(
        benchmark,
        Cooccurrence.build(interactions.training_steps(), benchmark.items.num_items),
        faiss_index.load(index[0], snakemake.threads) if index else None,
        InvertedIndex.build(categories) if categories.any() else None,
    )
    write_outcomes(snakemake.output, benchmark, rows, ranks)
