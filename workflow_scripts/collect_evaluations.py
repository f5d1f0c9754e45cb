"""Collect the evaluations of all tokenizers in one table, which the log shows, and describe the run in its manifest."""

from semid.evaluation.table import collect_tables, format_table
from semid.jobs.log import job_log
from semid.jobs.manifest import write_run_manifest

with job_log(snakemake.log[0]):
    tables, scorecards = snakemake.input.tables, snakemake.input.scorecards
    collect_tables(tables, snakemake.output.table)
    print(format_table(snakemake.output.table, scorecards), flush=True)
    write_run_manifest(
        snakemake.output.manifest,
        snakemake.config,
        snakemake.input.data,
        [snakemake.output.table, scorecards, *tables, *snakemake.input.beside],
        snakemake.params.stages,
    )
