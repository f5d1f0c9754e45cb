"""Make one table of all paired comparisons."""

from semid.analysis.comparisons import COMPARISON_COLUMNS
from semid.evaluation.table import collect_tables
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    collect_tables(snakemake.input, snakemake.output[0], COMPARISON_COLUMNS)
