"""Correlate every figure of the scorecards with recall."""

from semid.analysis.proxies import write_proxies
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    inputs = snakemake.input
    write_proxies(inputs.scorecards, inputs.evaluations, snakemake.output[0], inputs.generated)
