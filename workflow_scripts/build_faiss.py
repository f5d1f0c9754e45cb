"""Merge the filled parts of a FAISS index into the index of the whole catalogue."""

from semid.jobs.log import job_log
from semid.retrieval import faiss_index

with job_log(snakemake.log[0]):
    faiss_index.merge_indexes(
        snakemake.input.trained, snakemake.input.parts, snakemake.output[0], on_disk=snakemake.params.on_disk
    )
