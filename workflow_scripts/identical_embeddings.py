"""Find which items have identical embeddings."""

from semid.embeddings import EmbeddingStore
from semid.jobs.log import job_log
from semid.retrieval.identical import write_first_of_identical

with job_log(snakemake.log[0]):
    write_first_of_identical(EmbeddingStore.open(snakemake.input.manifest), snakemake.output[0])
