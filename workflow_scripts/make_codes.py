"""Make the codes of one shard of a dataset's items where no vectors make them."""

from semid.jobs.log import job_log
from semid.parts import shard_numbers
from semid.semantic_ids.given_codes import make_codes

with job_log(snakemake.log[0]):
    make_codes(
        snakemake.wildcards.tokenizer,
        snakemake.params.arguments,
        snakemake.input,
        *shard_numbers(snakemake.wildcards.shard),
        snakemake.output[0],
    )
