"""Choose the query of a dataset on its validation split."""

import torch

from semid.evaluation.files import open_benchmark
from semid.evaluation.fit import MAX_USERS, fit_query
from semid.files import write_json
from semid.jobs.log import job_log

with job_log(snakemake.log[0]):
    torch.set_num_threads(snakemake.threads)
    settings = {"split": "valid", "max_users": MAX_USERS, "seed": snakemake.params.seed}
    benchmark, _ = open_benchmark(snakemake.input, snakemake.wildcards.dataset, settings, snakemake.params.normalize)
    write_json(snakemake.output[0], fit_query(benchmark))
