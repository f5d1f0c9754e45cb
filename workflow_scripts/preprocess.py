"""The rows of raw files to validated items and splits."""

from semid.data import Outputs, Parts, PreprocessSettings, preprocess_parts, source_from_config
from semid.embeddings import catalogue_ids
from semid.files import with_found_files
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    preprocess_parts(
        source_from_config(snakemake.params.source),
        Parts.of_job(snakemake.input),
        PreprocessSettings.of_job(snakemake.params.settings, snakemake.resources, snakemake.threads),
        Outputs(*snakemake.output),
        catalogue_ids(with_found_files(snakemake.params.embeddings, snakemake.input)),
        snakemake.params.note,
    )
