"""Write the semantic-ID table of a dataset's items, and the manifest of the tokenizer's folder."""

from semid.jobs.describe import describe_tokenizer
from semid.jobs.log import job_log
from semid.semantic_ids import export_table

with job_log(snakemake.log[0]):
    export_table(snakemake.input.catalogue, snakemake.input.codes, snakemake.output.table, snakemake.params.flat)
    describe_tokenizer(snakemake)
