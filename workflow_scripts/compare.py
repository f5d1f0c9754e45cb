"""Compare every pair of tokenizers on the same users of a dataset."""

import torch

from semid.evaluation.comparisons import COMPARISON_COLUMNS, comparison_rows, open_ranks
from semid.evaluation.files import open_queries
from semid.evaluation.settings import EvaluationSettings
from semid.evaluation.table import write_table
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    torch.set_num_threads(snakemake.threads)
    settings = EvaluationSettings(**snakemake.params.settings)
    queries, _ = open_queries(snakemake.input.splits, settings)
    tokenizers = open_ranks(snakemake.params.names, snakemake.input.ranks, len(queries))
    rows = comparison_rows(snakemake.wildcards.dataset, tokenizers, queries, settings)
    write_table(rows, snakemake.output[0], COMPARISON_COLUMNS)
