"""Score a tokenizer's codes: write its scorecard and the page of its codebook."""

from semid.jobs.log import job_log
from semid.scorecard.score import score_tokenizer

with job_log(snakemake.log[0]):
    score_tokenizer(
        snakemake.wildcards.dataset,
        snakemake.wildcards.tokenizer,
        files=snakemake.input,
        paths=snakemake.output,
        note=snakemake.params.note,
        threads=snakemake.threads,
    )
