"""Merge the filled parts of a FAISS index into the index of the whole catalogue."""

from semid.jobs.log import job_log
from semid.retrieval.faiss_index import merge_indexes

with job_log(snakemake.log[0]):
    merge_indexes(snakemake.input.trained, snakemake.input.parts, snakemake.output[0], snakemake.params.on_disk)
