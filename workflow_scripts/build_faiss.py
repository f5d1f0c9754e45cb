"""Index the embeddings of a whole catalogue with FAISS."""

from semid.embeddings import EmbeddingStore
from semid.joblog import job_log
from semid.retrieval import faiss_index

with job_log(snakemake.log[0]):
    faiss_index.build_index(
        EmbeddingStore.open(snakemake.input.manifest).parts,
        snakemake.output[0],
        normalize=snakemake.params.normalize,
        factory=snakemake.params.factory,
        threads=snakemake.threads,
    )
