"""Correlate every figure of the scorecards with recall."""

from semid.evaluation.proxies import PROXY_COLUMNS, proxy_rows
from semid.evaluation.table import read_table, write_table
from semid.jobs.log import job_log
from semid.semantic_ids.scorecard import SCORECARD_COLUMNS

with job_log(snakemake.log[0]):
    rows = proxy_rows(
        read_table(snakemake.input.scorecards, SCORECARD_COLUMNS),
        read_table(snakemake.input.evaluations),
    )
    write_table(rows, snakemake.output[0], PROXY_COLUMNS)
