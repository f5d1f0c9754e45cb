"""Collect the evaluations of all tokenizers in one table, which the log shows, and describe the run in its manifest."""

from semid.evaluation.table import collect_evaluations
from semid.jobs.describe import describe_run
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    inputs = snakemake.input
    collect_evaluations(inputs.tables, inputs.scorecards, snakemake.output.table, inputs.data)
    describe_run(snakemake)
