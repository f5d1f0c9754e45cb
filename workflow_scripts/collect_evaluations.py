"""Collect the evaluations of all tokenizers in one table; the log shows it."""

from semid.evaluation import collect_tables, format_table
from semid.joblog import job_log

with job_log(snakemake.log[0]):
    collect_tables(snakemake.input.tables, snakemake.output[0])
    print(format_table(snakemake.output[0], snakemake.input.scorecards))
