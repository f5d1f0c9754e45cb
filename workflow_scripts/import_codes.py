"""Bring codes that were made elsewhere into the order of one shard of a dataset's items."""

from semid.jobs.log import job_log
from semid.semantic_ids import import_codes

with job_log(snakemake.log[0]):
    shard, _, shards = snakemake.wildcards.shard.partition("-of-")
    import_codes(
        snakemake.input.codes,
        snakemake.input.get("item2id"),
        snakemake.input.catalogue,
        int(shard),
        int(shards),
        snakemake.output[0],
    )
