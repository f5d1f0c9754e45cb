"""Evaluate what depends on a dataset alone: the whole catalogue, popularity, co-occurrence and categories."""

from semid.analysis.slices import write_slices
from semid.evaluation.controls import write_control_evaluation
from semid.evaluation.files import BenchmarkOptions
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    params = snakemake.params
    options = BenchmarkOptions(snakemake.wildcards.dataset, params.settings, params.normalize, params.note)
    evaluation = write_control_evaluation(snakemake.input, options, snakemake.output, snakemake.threads)
    write_slices(evaluation, snakemake.output.slices)
