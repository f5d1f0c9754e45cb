"""Index a dataset's items by their semantic IDs."""

from pathlib import Path

from semid.jobs.log import job_log
from semid.retrieval.inverted import InvertedIndex
from semid.semantic_ids import read_semantic_ids

with job_log(snakemake.log[0]):
    InvertedIndex.build(read_semantic_ids(snakemake.input[0])).save(Path(snakemake.output.codes).parent)
