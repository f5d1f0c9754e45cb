"""Compare every pair of tokenizers on the same users of a dataset."""

from pathlib import Path

import torch

from semid.evaluation import (
    COMPARISON_COLUMNS,
    EvaluationSettings,
    RanksFile,
    build_queries,
    comparison_rows,
    group_seeds,
    read_interactions,
    write_table,
)
from semid.joblog import job_log

with job_log(snakemake.log[0]):
    torch.set_num_threads(snakemake.threads)
    settings = EvaluationSettings(**snakemake.params.settings)
    interactions = read_interactions(Path(snakemake.input.splits[0]).parent, settings.split)
    queries = build_queries(interactions, settings.split, settings.max_users, settings.seed)
    files = {
        name: RanksFile.open(path, len(queries))
        for name, path in zip(snakemake.params.names, snakemake.input.ranks, strict=True)
    }
    rows = comparison_rows(
        snakemake.wildcards.dataset,
        {name: [files[seed] for seed in seeds] for name, seeds in group_seeds(files).items()},
        queries,
        settings.resamples,
        settings.permutations,
        settings.seed,
    )
    write_table(rows, snakemake.output[0], COMPARISON_COLUMNS)
