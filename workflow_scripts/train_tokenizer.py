"""Train a tokenizer on the embeddings of the training items."""

from semid.jobs.log import job_log
from semid.quantizers import Compute
from semid.semantic_ids.train import TrainingFiles, train_tokenizer

with job_log(snakemake.log[0]):
    made, read, names = snakemake.output, snakemake.input, snakemake.wildcards
    train_tokenizer(
        names.dataset,
        names.tokenizer,
        snakemake.params.arguments,
        TrainingFiles(read.manifest, read.catalogue, made.model, read.get("start"), made.get("history")),
        Compute.of_job(snakemake.resources, snakemake.params.training_threads, snakemake.resources.tmpdir),
    )
