"""Collect the evaluations of all generators in one table, which the log shows, and describe them in a manifest."""

from semid.analysis.generative_table import collect_generators
from semid.jobs.describe import describe_generators
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    collect_generators(snakemake.input.tables, snakemake.input.controls, snakemake.output.table)
    describe_generators(snakemake)
