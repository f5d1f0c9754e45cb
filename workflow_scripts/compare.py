"""Compare every pair of tokenizers on the same users of a dataset."""

from semid.analysis.comparisons import write_comparisons
from semid.evaluation.files import BenchmarkOptions
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    write_comparisons(
        snakemake.params.names,
        snakemake.input,
        BenchmarkOptions(snakemake.wildcards.dataset, snakemake.params.settings),
        snakemake.output[0],
        snakemake.threads,
    )
