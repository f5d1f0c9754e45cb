"""Encode one shard of a dataset's items with a trained tokenizer."""

from semid.jobs.log import job_log
from semid.semantic_ids.encode import encode_shard
from semid.semantic_ids.resources import compute_of_job

with job_log(snakemake.log[0]):
    encode_shard(
        snakemake.input.model,
        snakemake.wildcards.tokenizer,
        snakemake.input.part,
        snakemake.input.manifest,
        snakemake.output[0],
        compute_of_job(snakemake.resources, snakemake.threads),
    )
