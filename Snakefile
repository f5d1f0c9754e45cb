"""From raw reviews to results/offline_eval.csv: see README.md, and config.yaml for what is run."""

from snakemake.utils import min_version

min_version("9.20")


configfile: workflow.source_path("config.yaml")


include: "rules/messages.smk"
include: "rules/common.smk"
include: "rules/resources.smk"
include: "rules/shown.smk"


container: container_image()


include: "rules/manifests.smk"
include: "rules/data.smk"
include: "rules/embeddings.smk"
include: "rules/tokenizers.smk"
include: "rules/semantic_ids.smk"
include: "rules/earlier.smk"
include: "rules/repair.smk"
include: "rules/exports.smk"
include: "rules/retrieval.smk"
include: "rules/evaluation.smk"
include: "rules/generative.smk"
include: "rules/analysis.smk"
include: "rules/report.smk"


wildcard_constraints:
    # loose, so that an unknown or malformed name gets a message rather than "no rule"; but for what is loaded, which no
    # rule makes
    dataset=explained(tokenizers.earlier.frozen, RESULTS) + r"[^/]+",
    tokenizer=rf"(?!({'|'.join(RESERVED)}|{GENERATOR_FOLDER})/)[^/]+(?:/{REPAIR_FOLDER})?",
    shard=r"\d{5}-of-\d{5}",


rule all:
    # a workflow that uses this one as a module has a default of its own
    default_target: workflow.modifier.is_main_snakefile()
    input:
        lambda wildcards: explained(tokenizers.per_tokenizer, "items.parquet"),
        lambda wildcards: explained(tokenizers.repaired_tables),
        lambda wildcards: explained(tokenizers.comparisons_with_earlier),
        lambda wildcards: explained(tables_of_run, datasets, generators),
        "results/report.html",
        expand("results/figures/{name}.{kind}", name=FIGURES_OF_RUN, kind=("svg", "pdf", "csv")),
        lambda wildcards: explained(exports.of_run),


rule folder:
    """Say of a folder, which is nothing that can be asked for, which files can be."""
    input:
        lambda wildcards: explained(folder_refusal, wildcards.folder, config["datasets"]),
    output:
        "{folder}",
    wildcard_constraints:
        folder=FOLDERS,


onsuccess:
    print_table()
    print_losses()


onerror:
    print_losses()
