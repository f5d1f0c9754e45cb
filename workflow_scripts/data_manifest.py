"""Describe a dataset: its settings, its counts, digests of what it came from and what it became."""

from semid.jobs.log import job_log
from semid.jobs.manifest import write_data_manifest

with job_log(snakemake.log[0]):
    write_data_manifest(
        snakemake.output[0],
        snakemake.wildcards.dataset,
        snakemake.params.settings,
        snakemake.input.raw,
        snakemake.input.outputs,
        snakemake.input.stats,
        snakemake.params.stages,
        snakemake.config["compute"],
    )
