"""Generate the raw files of a dataset."""

from semid.data import source_from_config
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    source_from_config(snakemake.params.source).generate_files(dict(snakemake.output.items()))
