"""Mark the tokenizers and peers that nothing else beats for as few candidates, or as little time."""

from semid.analysis.pareto import write_pareto
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    write_pareto(snakemake.input, snakemake.output[0])
