"""Bring codes that were made elsewhere into the order of one shard of a dataset's items."""

from semid.jobs.log import job_log
from semid.parts import shard_numbers
from semid.semantic_ids import import_codes

with job_log(snakemake.log[0]):
    import_codes(
        snakemake.input.codes,
        snakemake.input.get("item2id"),
        snakemake.input.catalogue,
        *shard_numbers(snakemake.wildcards.shard),
        snakemake.output[0],
    )
