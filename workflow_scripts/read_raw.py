"""One raw file to its rows, with the reason why one cannot be used."""

from pathlib import Path

from semid.data import PreprocessSettings, read_raw_file, source_from_config
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    read_raw_file(
        source_from_config(snakemake.params.source),
        snakemake.wildcards.kind,
        int(snakemake.wildcards.number),
        PreprocessSettings.of_reading(snakemake.params.text_columns, snakemake.resources, snakemake.threads),
        Path(snakemake.output[0]),
        Path(snakemake.input.raw),
    )
