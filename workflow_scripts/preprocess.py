"""Raw files to validated items and splits."""

from pathlib import Path

from semid.data import Outputs, PreprocessSettings, preprocess, source_from_config
from semid.embeddings import embedding_settings, read_ids
from semid.files import with_found_files
from semid.joblog import job_log

with job_log(snakemake.log[0]):
    settings = PreprocessSettings(
        **snakemake.params.settings, threads=snakemake.threads, memory_limit=snakemake.resources.duckdb_mb
    )
    outputs = Outputs(*map(Path, snakemake.output))
    source = source_from_config(with_found_files(snakemake.params.source, snakemake.input))
    embeddings = with_found_files(snakemake.params.embeddings, snakemake.input)
    item_ids = read_ids(embedding_settings(embeddings)) if embeddings else None
    preprocess(source, settings, outputs, item_ids, snakemake.params.note)
