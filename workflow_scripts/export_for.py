"""Write the semantic IDs of a tokenizer in the format of another system."""

from pathlib import Path

from semid.jobs.log import job_log
from semid.semantic_ids import ExportFiles, export_semantic_ids

with job_log(snakemake.log[0]):
    params, wildcards = snakemake.params, snakemake.wildcards
    files, folder = ExportFiles.of_inputs(snakemake.input), Path(snakemake.output[0]).parent
    names = (wildcards.dataset, wildcards.tokenizer)
    export_semantic_ids(files, params.format, folder, params.options, names, replace=True)
