"""Evaluate one tokenizer: the ranks of held-out items among the candidates that its codes, and random ones, give."""

from semid.analysis.slices import write_slices
from semid.evaluation.files import BenchmarkOptions
from semid.evaluation.tokenizers import write_tokenizer_evaluation
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    params = snakemake.params
    options = BenchmarkOptions(snakemake.wildcards.dataset, params.settings, params.normalize, params.note)
    evaluation = write_tokenizer_evaluation(
        snakemake.wildcards.tokenizer, snakemake.input, options, snakemake.output, snakemake.threads
    )
    write_slices(evaluation, snakemake.output.slices)
