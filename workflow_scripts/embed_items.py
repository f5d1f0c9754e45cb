"""Embed one shard of a dataset's items."""

from semid.embeddings import embed_shard, embedding_settings
from semid.files import with_found_files
from semid.joblog import job_log

with job_log(snakemake.log[0]):
    shard, _, shards = snakemake.wildcards.shard.partition("-of-")
    embed_shard(
        snakemake.input.catalogue,
        int(shard),
        int(shards),
        embedding_settings(with_found_files(snakemake.params.settings, snakemake.input)),
        snakemake.output[0],
        device=snakemake.resources.device,
        batch_size=snakemake.resources.batch_size,
        threads=snakemake.threads,
        compile_encoder=snakemake.resources.compile_encoder,
    )
