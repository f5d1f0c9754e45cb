"""The manifests that jobs of the workflow write, from what Snakemake says of the job."""

from typing import Any, Protocol

from semid.jobs.manifest import write_data_manifest, write_run_manifest, write_tokenizer_manifest

# a manifest that says more is no reason to make its files anew
__affects_results__ = False


class Job(Protocol):
    """What Snakemake tells a script of its job, under the name `snakemake`."""

    input: Any
    output: Any
    params: Any
    wildcards: Any
    config: dict[str, Any]


def describe_dataset(job: Job) -> None:
    """Write the manifest of a dataset: the output of the rule `data_manifest`."""
    write_data_manifest(
        job.output[0],
        job.wildcards.dataset,
        job.params.settings,
        job.input.raw,
        job.input.outputs,
        job.input.stats,
        job.params.stages,
        job.config["compute"],
    )


def describe_tokenizer(job: Job) -> None:
    """Write the manifest of a tokenizer's folder: an output of the rule `export`, whose table exists already."""
    write_tokenizer_manifest(
        job.output.manifest,
        job.wildcards.dataset,
        job.wildcards.tokenizer,
        job.params.settings,
        job.input.data,
        [*job.input.codes, job.output.table],
        job.params.stages,
        job.config["compute"],
        model=job.input.get("model"),
        embeddings=job.input.get("embeddings"),
        inputs=job.input.sources,
    )


def describe_generators(job: Job) -> None:
    """Write the manifest of the generators of a run: an output of `collect_generators`, whose table exists already."""
    write_run_manifest(
        job.output.manifest,
        job.config,
        job.input.data,
        [job.output.table, *job.input.tables, *job.input.controls, *job.input.beside],
        job.params.stages,
    )


def describe_run(job: Job) -> None:
    """Write the manifest of a run: an output of the rule `collect_evaluations`, whose table exists already."""
    write_run_manifest(
        job.output.manifest,
        job.config,
        job.input.data,
        [job.output.table, job.input.scorecards, *job.input.tables, *job.input.beside],
        job.params.stages,
    )
