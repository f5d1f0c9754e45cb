"""Evaluate one tokenizer: the ranks of held-out items among the candidates that its codes, and random ones, give."""

from pathlib import Path

import torch

from semid.embeddings import EmbeddingStore
from semid.evaluation import (
    CodeSpace,
    EvaluationSettings,
    build_queries,
    evaluate_random_codes,
    evaluate_tokenizer,
    fitted_settings,
    read_interactions,
    write_outcomes,
)
from semid.evaluation.evaluate import RANDOM_USERS
from semid.joblog import job_log
from semid.naming import TokenizerName
from semid.quantizers import DecodedVectors, Tokenizer
from semid.retrieval import CodeTree, InvertedIndex, read_first_of_identical

with job_log(snakemake.log[0]), torch.inference_mode():
    torch.set_num_threads(snakemake.threads)
    settings = fitted_settings(EvaluationSettings(**snakemake.params.settings), snakemake.input.get("query"))
    interactions = read_interactions(Path(snakemake.input.splits[0]).parent, settings.split)
    queries = build_queries(interactions, settings.split, settings.max_users, settings.seed)
    index = InvertedIndex.load(Path(snakemake.input.index[0]).parent)
    tokenizer = Tokenizer.from_pretrained(Path(snakemake.input.model).parent)
    vectors = EmbeddingStore.open(snakemake.input.manifest)
    evaluated = {
        "dataset": snakemake.wildcards.dataset,
        "name": TokenizerName.parse(snakemake.wildcards.tokenizer).with_size(
            tokenizer.num_levels, tokenizer.codebook_size
        ),
        "index": index,
        "vectors": vectors,
        "representatives": read_first_of_identical(snakemake.input.representatives, len(vectors)),
        "settings": settings,
        "space": CodeSpace(CodeTree.build(index, tokenizer.codebooks_), tokenizer.latent),
        "normalize": snakemake.params.normalize,
        "note": snakemake.params.note,
    }
    rows, ranks = evaluate_tokenizer(**evaluated, queries=queries, decoded=DecodedVectors(tokenizer, index.codes))
    few_users = min(settings.max_users or RANDOM_USERS, RANDOM_USERS)
    few_queries = build_queries(interactions, settings.split, few_users, settings.seed)
    write_outcomes(
        snakemake.output,
        rows,
        ranks,
        queries,
        interactions.training_counts(len(vectors)),
        settings,
        table_only=evaluate_random_codes(**evaluated, queries=few_queries),
    )
