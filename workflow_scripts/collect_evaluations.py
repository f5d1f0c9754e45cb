"""Collect the evaluations of all tokenizers in one table, which the log shows, and describe the run in its manifest."""

from semid.evaluation.table import collect_evaluations
from semid.jobs.log import job_log
from semid.jobs.manifest import write_run_manifest

with job_log(snakemake.log[0]):
    collect_evaluations(snakemake.input.tables, snakemake.input.scorecards, snakemake.output.table)
    write_run_manifest(
        snakemake.output.manifest,
        snakemake.config,
        snakemake.input.data,
        [snakemake.output.table, snakemake.input.scorecards, *snakemake.input.tables, *snakemake.input.beside],
        snakemake.params.stages,
    )
