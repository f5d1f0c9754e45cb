"""Evaluate one tokenizer: the ranks of held-out items among the candidates that its codes give."""

from pathlib import Path

import torch

from semid.embeddings import EmbeddingStore
from semid.evaluation import EvaluationSettings, build_queries, evaluate_tokenizer, read_interactions, write_table
from semid.joblog import job_log
from semid.naming import TokenizerName
from semid.quantizers import DecodedVectors, Tokenizer
from semid.retrieval import InvertedIndex

with job_log(snakemake.log[0]):
    torch.set_num_threads(snakemake.threads)
    settings = EvaluationSettings(**snakemake.params.settings)
    interactions = read_interactions(Path(snakemake.input.splits[0]).parent, settings.split)
    index = InvertedIndex.load(Path(snakemake.input.index[0]).parent)
    tokenizer = Tokenizer.from_pretrained(Path(snakemake.input.model).parent)
    rows = evaluate_tokenizer(
        snakemake.wildcards.dataset,
        TokenizerName.parse(snakemake.wildcards.tokenizer),
        build_queries(interactions, settings.split, settings.max_users, settings.seed),
        index,
        EmbeddingStore.open(snakemake.input.manifest),
        settings,
        decoded=DecodedVectors(tokenizer, index.codes),
        normalize=snakemake.params.normalize,
        note=snakemake.params.note,
    )
    write_table(rows, snakemake.output[0])
