"""Describe a dataset: its settings, its counts, digests of what it came from and what it became."""

from semid.jobs.describe import describe_dataset
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    describe_dataset(snakemake)
