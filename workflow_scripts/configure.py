"""Write the config.json of a trained tokenizer: how it was trained, and how it encodes."""

from semid.jobs.log import job_log
from semid.pretrained import write_config

with job_log(snakemake.log[0]):
    write_config(snakemake.input[0], snakemake.output[0], snakemake.params.arguments)
