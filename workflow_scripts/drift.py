"""Say whether new items suit the tokenizer that is loaded, or another should be trained."""

from semid.jobs.log import job_log
from semid.semantic_ids.drift import write_drift

with job_log(snakemake.log[0]):
    write_drift(snakemake.input, snakemake.output[0], snakemake.threads)
