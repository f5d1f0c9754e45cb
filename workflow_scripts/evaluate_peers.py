"""Evaluate indexes that need no semantic IDs, at the same numbers of candidates."""

import torch

from semid.evaluation.files import open_benchmark
from semid.evaluation.peers import evaluate_peers
from semid.evaluation.table import write_table
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    benchmark, _ = open_benchmark(
        snakemake.input, snakemake.wildcards.dataset, params.settings, params.normalize, params.note
    )
    write_table(evaluate_peers(benchmark, params.training_threads, snakemake.threads), snakemake.output[0])
