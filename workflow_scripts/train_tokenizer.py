"""Train a tokenizer on the embeddings of the training items."""

from semid.jobs.log import job_log
from semid.semantic_ids.resources import compute_of_job
from semid.semantic_ids.train import TrainingFiles, train_tokenizer

with job_log(snakemake.log[0]):
    inputs, outputs, wildcards = snakemake.input, snakemake.output, snakemake.wildcards
    train_tokenizer(
        wildcards.dataset,
        wildcards.tokenizer,
        snakemake.params.arguments,
        TrainingFiles(inputs.manifest, inputs.catalogue, outputs.model, inputs.get("start"), outputs.get("history")),
        compute_of_job(snakemake.resources, snakemake.params.training_threads, snakemake.resources.tmpdir),
    )
