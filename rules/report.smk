"""Needs the tables of a run, the codes of its tokenizers and what these were made from; makes results/report.html.

The page also shows what it finds beside those: histories of trainings, slices of generators, and seconds of jobs in
benchmarks/. It is no reason to make any of them.
"""

from semid.planning import tables_of_run


rule report:
    """Make the page of a run: what it found, at what cost, and what is inside of its codes."""
    input:
        tables=lambda wildcards: explained(tables_of_run, datasets, generators),
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
        code=lambda wildcards: code("report.py", *explained(tokenizers.implementations_of_run)),
    script:
        "../workflow_scripts/report.py"
