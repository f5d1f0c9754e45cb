"""Generate the sample in the raw format of Amazon Reviews 2023."""

from semid.data import SampleSettings, generate_sample
from semid.joblog import job_log

with job_log(snakemake.log[0]):
    settings = SampleSettings(**snakemake.params.settings)
    generate_sample(settings, snakemake.output.reviews, snakemake.output.meta)
