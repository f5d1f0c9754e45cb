"""Embed one shard of a dataset's items."""

from semid.embeddings import embed_shard, embedding_settings
from semid.files import with_found_files
from semid.jobs.log import job_log
from semid.parts import shard_numbers

with job_log(snakemake.log[0]):
    shard, shards = shard_numbers(snakemake.wildcards.shard)
    settings = embedding_settings(with_found_files(snakemake.params.settings, snakemake.input))
    compute = {name: getattr(snakemake.resources, name) for name in ("device", "batch_size", "compile_encoder")}
    compute["threads"] = snakemake.threads
    embed_shard(snakemake.input.catalogue, shard, shards, settings, snakemake.output[0], **compute)
