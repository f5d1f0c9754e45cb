"""Find which items have identical embeddings."""

from semid.embeddings import write_first_of_identical
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    write_first_of_identical(snakemake.input.manifest, snakemake.output[0])
