"""Train a generator on the histories of users."""

from semid.generative.files import GeneratorCompute, GeneratorPlace
from semid.generative.fit import fit_generator
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    params, wildcards = snakemake.params, snakemake.wildcards
    place = GeneratorPlace(wildcards.dataset, wildcards.generator, wildcards.get("tokenizer", ""))
    compute = GeneratorCompute(snakemake.resources.device, params.training_threads)
    fit_generator(place, params.arguments, snakemake.input, snakemake.output, compute)
