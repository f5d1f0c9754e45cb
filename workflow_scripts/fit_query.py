"""Choose the query of a dataset on its validation split."""

from semid.evaluation.files import BenchmarkOptions
from semid.evaluation.query_choice import write_query_choice
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    write_query_choice(
        snakemake.input,
        BenchmarkOptions(snakemake.wildcards.dataset, {"seed": snakemake.params.seed}, snakemake.params.normalize),
        snakemake.output[0],
        snakemake.threads,
    )
