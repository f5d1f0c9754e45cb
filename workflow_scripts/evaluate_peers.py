"""Evaluate indexes that need no semantic IDs, at the same numbers of candidates."""

from semid.evaluation.files import BenchmarkOptions
from semid.evaluation.peers import write_peer_evaluation
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    params = snakemake.params
    options = BenchmarkOptions(snakemake.wildcards.dataset, params.settings, params.normalize, params.note)
    write_peer_evaluation(snakemake.input, options, snakemake.output[0], params.training_threads, snakemake.threads)
