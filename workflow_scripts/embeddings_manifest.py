"""Check all parts of a dataset's embeddings and write their manifest."""

from semid.embeddings import embed_manifest, embedding_settings
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    settings = embedding_settings(snakemake.params.settings)
    embed_manifest(snakemake.input.catalogue, snakemake.input.parts, settings, snakemake.output[0])
