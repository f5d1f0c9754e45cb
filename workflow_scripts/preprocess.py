"""Raw files to validated items and splits."""

from pathlib import Path

from semid.data import Outputs, PreprocessSettings, preprocess, source_from_config
from semid.embeddings import embedding_settings, read_ids
from semid.joblog import job_log

with job_log(snakemake.log[0]):
    settings = PreprocessSettings(
        **snakemake.params.settings, threads=snakemake.threads, memory_limit=snakemake.resources.duckdb_mb
    )
    outputs = Outputs(*map(Path, snakemake.output))
    embeddings = snakemake.params.embeddings
    item_ids = read_ids(embedding_settings(embeddings)) if embeddings else None
    preprocess(source_from_config(snakemake.params.source), settings, outputs, item_ids, snakemake.params.note)
