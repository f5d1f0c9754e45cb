"""Train an empty FAISS index on a sample of a catalogue's embeddings."""

from semid.jobs.log import job_log
from semid.retrieval.faiss_build import CoreFiles, train_on_store

with job_log(snakemake.log[0]):
    train_on_store(
        CoreFiles(snakemake.input.manifest, snakemake.input.catalogue),
        snakemake.output[0],
        factory=snakemake.params.factory,
        normalize=snakemake.params.normalize,
        on_disk=snakemake.params.on_disk,
        threads=snakemake.params.training_threads,
    )
