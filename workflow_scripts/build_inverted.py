"""Index a dataset's items by their semantic IDs."""

from semid.jobs.log import job_log
from semid.retrieval.build_index import index_semantic_ids

with job_log(snakemake.log[0]):
    index_semantic_ids(snakemake.input.table, snakemake.input.catalogue, snakemake.output.codes)
