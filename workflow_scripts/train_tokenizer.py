"""Train a tokenizer on the embeddings of the training items."""

from semid.jobs.log import job_log
from semid.semantic_ids.resources import compute_of_job
from semid.semantic_ids.train import TrainingFiles, train_tokenizer

with job_log(snakemake.log[0]):
    train_tokenizer(
        snakemake.wildcards.dataset,
        snakemake.wildcards.tokenizer,
        snakemake.params.arguments,
        TrainingFiles.of_job(snakemake.input, snakemake.output),
        compute_of_job(snakemake.resources, snakemake.params.training_threads, snakemake.resources.tmpdir),
    )
