"""Say how many items have other codes than the earlier tokenizer gave them."""

from semid.jobs.log import job_log
from semid.semantic_ids.churn import write_churn

with job_log(snakemake.log[0]):
    write_churn(snakemake.input, snakemake.output[0])
