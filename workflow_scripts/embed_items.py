"""Embed one shard of a dataset's items."""

from semid.embeddings import embed_shard, embedding_settings
from semid.joblog import job_log

with job_log(snakemake.log[0]):
    shard, _, shards = snakemake.wildcards.shard.partition("-of-")
    embed_shard(
        snakemake.input.catalogue,
        int(shard),
        int(shards),
        embedding_settings(snakemake.params.settings),
        snakemake.output[0],
        device=snakemake.resources.device,
        batch_size=snakemake.resources.batch_size,
        threads=snakemake.threads,
        compile_encoder=snakemake.resources.compile_encoder,
    )
