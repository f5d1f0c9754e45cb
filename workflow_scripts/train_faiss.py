"""Train an empty FAISS index on a sample of a catalogue's embeddings."""

from semid.embeddings import EmbeddingStore
from semid.jobs.log import job_log
from semid.retrieval import faiss_index

with job_log(snakemake.log[0]):
    store = EmbeddingStore.open(snakemake.input.manifest)
    faiss_index.train_index(
        store,
        snakemake.output[0],
        shards=len(store.parts),
        normalize=snakemake.params.normalize,
        factory=snakemake.params.factory,
        on_disk=snakemake.params.on_disk,
        threads=snakemake.params.training_threads,
    )
