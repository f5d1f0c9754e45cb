"""Collect the scorecards of all tokenizers in one table."""

from semid.jobs.log import job_log
from semid.scorecard.table import collect_scorecards

with job_log(snakemake.log[0]):
    collect_scorecards(snakemake.input, snakemake.output[0])
