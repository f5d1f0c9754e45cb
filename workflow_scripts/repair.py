"""Repair the codes of a tokenizer, so that no two items have the same."""

from semid.jobs.log import job_log
from semid.semantic_ids.repair.files import repair_catalogue

with job_log(snakemake.log[0]):
    repair_catalogue(snakemake.wildcards.tokenizer, snakemake.input, snakemake.output, snakemake.threads)
