"""Evaluate a generator: the ranks of held-out items among those that it writes and compares."""

from semid.evaluation.files import BenchmarkOptions
from semid.generative.files import GeneratorCompute, GeneratorPlace
from semid.generative.table import write_generator_evaluation
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    params, wildcards = snakemake.params, snakemake.wildcards
    place = GeneratorPlace(wildcards.dataset, wildcards.generator, wildcards.get("tokenizer", ""))
    options = BenchmarkOptions(wildcards.dataset, params.settings, note=params.note)
    compute = GeneratorCompute(snakemake.resources.device, params.training_threads)
    write_generator_evaluation(place, snakemake.input, options, snakemake.output, compute)
