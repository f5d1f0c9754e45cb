"""Write the semantic-ID table of a dataset's items, and the manifest of the tokenizer's folder."""

from semid.jobs.log import job_log
from semid.jobs.manifest import write_tokenizer_manifest
from semid.semantic_ids import export_table

with job_log(snakemake.log[0]):
    codes, table = snakemake.input.codes, snakemake.output.table
    export_table(snakemake.input.catalogue, codes, table, snakemake.params.flat)
    write_tokenizer_manifest(
        snakemake.output.manifest,
        snakemake.wildcards.dataset,
        snakemake.wildcards.tokenizer,
        snakemake.params.settings,
        snakemake.input.data,
        [*codes, table],
        snakemake.params.stages,
        snakemake.config["compute"],
        model=snakemake.input.get("model"),
        embeddings=snakemake.input.get("embeddings"),
        inputs=snakemake.input.sources,
    )
