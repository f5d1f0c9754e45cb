"""Choose the query of a dataset on its validation split."""

from pathlib import Path

import torch

from semid.embeddings import EmbeddingStore
from semid.evaluation import build_queries, fit_query, read_interactions
from semid.evaluation.fit import MAX_USERS
from semid.files import write_json
from semid.joblog import job_log
from semid.retrieval import read_first_of_identical

with job_log(snakemake.log[0]):
    torch.set_num_threads(snakemake.threads)
    interactions = read_interactions(Path(snakemake.input.splits[0]).parent, "valid")
    vectors = EmbeddingStore.open(snakemake.input.manifest)
    choice = fit_query(
        snakemake.wildcards.dataset,
        build_queries(interactions, "valid", MAX_USERS, snakemake.params.seed),
        vectors,
        read_first_of_identical(snakemake.input.representatives, len(vectors)),
        normalize=snakemake.params.normalize,
    )
    write_json(snakemake.output[0], choice)
