"""Evaluate one tokenizer: the ranks of held-out items among the candidates that its codes, and random ones, give."""

from pathlib import Path

import torch

from semid.evaluation.files import open_benchmark
from semid.evaluation.outcomes import write_outcomes
from semid.evaluation.tokenizers import RANDOM_USERS, TokenizerCodes, evaluate_random_codes, evaluate_tokenizer
from semid.jobs.log import job_log

with job_log(snakemake.log[0]), torch.inference_mode():
    torch.set_num_threads(snakemake.threads)
    files, params = snakemake.input, snakemake.params
    benchmark, interactions = open_benchmark(
        files, snakemake.wildcards.dataset, params.settings, params.normalize, params.note
    )
    tokenizer = TokenizerCodes.open(
        snakemake.wildcards.tokenizer, Path(files.index[0]).parent, Path(files.model).parent
    )
    rows, ranks = evaluate_tokenizer(benchmark, tokenizer)
    random_rows = evaluate_random_codes(benchmark.of_few_users(interactions, RANDOM_USERS), tokenizer)
    write_outcomes(snakemake.output, benchmark, rows, ranks, random_rows)
