"""Needs the tables of a run, the codes of its tokenizers and what these were made from; makes results/report.html.

The page also shows what it finds beside those: histories of trainings, slices of generators, and seconds of jobs in
benchmarks/. It is no reason to make any of them.
"""


def tables_of_run(wildcards):
    """Return the tables of a run: those of the evaluation and of generators only where there is one."""
    evaluated = ["offline_eval", "pareto", "slices", "comparisons", "proxies"] if explained(datasets.evaluated) else []
    generated = ["generative_eval"] if explained(generators.is_run) else []
    return [f"results/{table}.csv" for table in ("tokenizers", *evaluated, *generated)]


def code_of_report(wildcards):
    """Return the digest of the code of the page, which decodes the codes of every tokenizer of the run."""
    decoders = {name for tokenizer in tokenizers.of_run() for name in tokenizers.implementations(tokenizer)}
    return code("report.py", *sorted(decoders))


rule report:
    """Make the page of a run: what it found, at what cost, and what is inside of its codes."""
    input:
        tables=tables_of_run,
        codes=lambda wildcards: explained(tokenizers.per_tokenizer, "items.parquet"),
        models=lambda wildcards: [
            file
            for dataset in config["run"]["datasets"]
            for tokenizer in explained(tokenizers.of_run)
            for file in explained(tokenizers.model_files, dataset, tokenizer).values()
        ],
        catalogues=expand("data/{dataset}/items.parquet", dataset=config["run"]["datasets"]),
        stats=expand("data/{dataset}/stats.json", dataset=config["run"]["datasets"]),
        embeddings=lambda wildcards: [
            file
            for dataset in config["run"]["datasets"]
            for file in (
                f"results/{dataset}/embeddings/manifest.json",
                *explained(datasets.embedding_parts, dataset),
            )
        ],
    output:
        "results/report.html",
    log:
        "logs/report.log",
    conda:
        "../envs/report.yaml"
    threads: COMPUTE["threads"]
    resources:
        mem_mb=memory(2000, 0.5),
        runtime=minutes(30, 10),
    params:
        code=code_of_report,
    script:
        "../workflow_scripts/report.py"
