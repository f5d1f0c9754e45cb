"""Raw files to validated items and splits."""

from pathlib import Path

from semid.data import Outputs, PreprocessSettings, preprocess, source_from_config
from semid.embeddings import catalogue_ids
from semid.files import with_found_files
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    limits = {"threads": snakemake.threads, "memory_limit": snakemake.resources.duckdb_mb}
    limits["max_malformed"] = float(snakemake.resources.max_malformed)
    settings = PreprocessSettings(**snakemake.params.settings, **limits)
    source = source_from_config(with_found_files(snakemake.params.source, snakemake.input))
    item_ids = catalogue_ids(with_found_files(snakemake.params.embeddings, snakemake.input))
    preprocess(source, settings, Outputs(*map(Path, snakemake.output)), item_ids, snakemake.params.note)
