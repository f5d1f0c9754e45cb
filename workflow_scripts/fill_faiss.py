"""Fill a trained FAISS index with one shard of a catalogue's embeddings."""

from semid.embeddings import EmbeddingStore, shard_range
from semid.jobs.log import job_log
from semid.retrieval import faiss_index

with job_log(snakemake.log[0]):
    store = EmbeddingStore.open(snakemake.input.manifest)
    shard, _, shards = snakemake.wildcards.shard.partition("-of-")
    faiss_index.fill_index(
        snakemake.input.trained,
        store,
        *shard_range(len(store), int(shard), int(shards)),
        snakemake.output[0],
        normalize=snakemake.params.normalize,
        threads=snakemake.threads,
    )
