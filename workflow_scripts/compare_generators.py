"""Compare the generators of a run on the same users of a dataset."""

from semid.analysis.generator_comparisons import write_generator_comparisons
from semid.evaluation.files import BenchmarkOptions
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    write_generator_comparisons(
        snakemake.params.folders,
        snakemake.input,
        BenchmarkOptions(snakemake.wildcards.dataset, snakemake.params.settings),
        snakemake.output[0],
        snakemake.threads,
    )
