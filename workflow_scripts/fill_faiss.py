"""Fill a trained FAISS index with one shard of a catalogue's embeddings."""

from semid.jobs.log import job_log
from semid.retrieval.faiss_build import CoreFiles, fill_from_store

with job_log(snakemake.log[0]):
    fill_from_store(
        snakemake.input.trained,
        CoreFiles(snakemake.input.manifest, snakemake.input.catalogue),
        snakemake.wildcards.shard,
        snakemake.output[0],
        normalize=snakemake.params.normalize,
        threads=snakemake.threads,
    )
