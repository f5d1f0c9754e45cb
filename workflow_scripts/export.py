"""Write the semantic-ID table of a dataset's items."""

from semid.joblog import job_log
from semid.semantic_ids import export_table

with job_log(snakemake.log[0]):
    export_table(snakemake.input.catalogue, snakemake.input.codes, snakemake.output[0], snakemake.params.flat)
