"""Give codewords to codes that no vectors made, from the embeddings of the training items."""

from semid.jobs.log import job_log
from semid.semantic_ids.fit_external import fit_external
from semid.semantic_ids.train import TrainingFiles

with job_log(snakemake.log[0]):
    fit_external(
        snakemake.wildcards.dataset,
        snakemake.wildcards.tokenizer,
        snakemake.input.codes,
        TrainingFiles(snakemake.input.manifest, snakemake.input.catalogue, snakemake.output.model),
        snakemake.resources.batch_size,
        snakemake.threads,
    )
