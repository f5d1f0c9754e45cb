"""Make one table of all slices of the queries."""

from semid.analysis.slices import SLICE_COLUMNS
from semid.evaluation.table import collect_tables
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    collect_tables(snakemake.input, snakemake.output[0], SLICE_COLUMNS)
