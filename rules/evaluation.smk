"""Needs splits, embeddings and an inverted index; makes offline_eval.csv, ranks.parquet and slices.csv of each tokenizer
and of the controls, offline_eval.csv of the peers, query.json where the query is fitted, then
results/{offline_eval,pareto,slices,comparisons,proxies}.csv, and results/manifest.json with the first.
"""


rule evaluate:
    input:
        splits=split_files,
        query=fitted_query,
        index=multiext(
            "results/{dataset}/{tokenizer}/inverted/",
            "codes.npy",
            "offsets.npy",
            "items.npy",
        ),
        model=model_of,
        parts=embedding_parts,
        manifest="results/{dataset}/embeddings/manifest.json",
        representatives="results/{dataset}/embeddings/first_of_identical.npy",
    output:
        table="results/{dataset}/{tokenizer}/offline_eval.csv",
        ranks="results/{dataset}/{tokenizer}/ranks.parquet",
        slices="results/{dataset}/{tokenizer}/slices.csv",
    log:
        "logs/{dataset}/{tokenizer}/evaluate.log",
    benchmark:
        "benchmarks/{dataset}/{tokenizer}/evaluate.tsv"
    conda:
        "../envs/torch.yaml"
    threads: COMPUTE["threads"]
    resources:
        mem_mb=memory(2500, 1.3),
        runtime=evaluation_minutes,
    params:
        code=code_digest("evaluation", "retrieval"),
        settings=evaluation_options,
        normalize=faiss_options()["normalize"],
        note=note,
    script:
        "../workflow_scripts/evaluate.py"


rule evaluate_controls:
    input:
        splits=split_files,
        query=fitted_query,
        faiss=faiss_index,
        catalogue="data/{dataset}/items.parquet",
        parts=embedding_parts,
        manifest="results/{dataset}/embeddings/manifest.json",
        representatives="results/{dataset}/embeddings/first_of_identical.npy",
    output:
        table="results/{dataset}/controls/offline_eval.csv",
        ranks="results/{dataset}/controls/ranks.parquet",
        slices="results/{dataset}/controls/slices.csv",
    log:
        "logs/{dataset}/controls/evaluate.log",
    benchmark:
        "benchmarks/{dataset}/controls/evaluate.tsv"
    conda:
        "../envs/faiss.yaml"
    threads: COMPUTE["threads"]
    resources:
        mem_mb=memory(2500, 1.3),
        runtime=evaluation_minutes,
    params:
        code=code_digest("evaluation", "retrieval", "semantic_ids/categories.py"),
        settings=evaluation_options,
        normalize=faiss_options()["normalize"],
        note=note,
    script:
        "../workflow_scripts/evaluate_controls.py"


rule evaluate_peers:
    input:
        splits=split_files,
        query=fitted_query,
        parts=embedding_parts,
        manifest="results/{dataset}/embeddings/manifest.json",
        representatives="results/{dataset}/embeddings/first_of_identical.npy",
    output:
        "results/{dataset}/peers/offline_eval.csv",
    log:
        "logs/{dataset}/peers/evaluate.log",
    benchmark:
        "benchmarks/{dataset}/peers/evaluate.tsv"
    conda:
        "../envs/faiss.yaml"
    threads: COMPUTE["threads"]
    resources:
        mem_mb=memory(2500, 3.5),
        runtime=evaluation_minutes,
    params:
        code=code_digest("evaluation", "retrieval"),
        settings=evaluation_options,
        normalize=faiss_options()["normalize"],
        # the same indexes whatever --cores: Snakemake caps `threads`, not this
        training_threads=COMPUTE["training_threads"],
        note=note,
    script:
        "../workflow_scripts/evaluate_peers.py"


rule fit_query:
    input:
        # never the test split
        splits=lambda wildcards: [path for path in split_files(wildcards) if not path.endswith("test.parquet")],
        parts=embedding_parts,
        manifest="results/{dataset}/embeddings/manifest.json",
        representatives="results/{dataset}/embeddings/first_of_identical.npy",
    output:
        "results/{dataset}/query.json",
    log:
        "logs/{dataset}/fit_query.log",
    benchmark:
        "benchmarks/{dataset}/fit_query.tsv"
    conda:
        "../envs/torch.yaml"
    threads: COMPUTE["threads"]
    resources:
        mem_mb=memory(2500, 1.3),
        runtime=minutes(60, 10),
    params:
        code=code_digest("evaluation", "retrieval"),
        seed=lambda wildcards: evaluation_options(wildcards)["seed"],
        normalize=faiss_options()["normalize"],
    script:
        "../workflow_scripts/fit_query.py"


rule collect_evaluations:
    input:
        tables=lambda wildcards: evaluations("offline_eval.csv"),
        scorecards="results/tokenizers.csv",
        data=lambda wildcards: [f"data/{dataset}/manifest.json" for dataset in config["run"]["datasets"]],
        beside=described_files,
    output:
        table="results/offline_eval.csv",
        manifest="results/manifest.json",
    log:
        "logs/collect_evaluations.log",
    conda:
        "../envs/report.yaml"
    params:
        code=code_digest("evaluation/table.py", "evaluation/ranks.py", "manifest.py"),
        stages=lambda wildcards: stages("score", "evaluate", "evaluate_controls", "collect_evaluations"),
    script:
        "../workflow_scripts/collect_evaluations.py"


rule collect_pareto:
    input:
        compared_for_cost,
    output:
        "results/pareto.csv",
    log:
        "logs/collect_pareto.log",
    conda:
        "../envs/report.yaml"
    params:
        code=code_digest("evaluation/table.py", "evaluation/ranks.py", "evaluation/pareto.py"),
    script:
        "../workflow_scripts/collect_pareto.py"


rule collect_slices:
    input:
        lambda wildcards: evaluations("slices.csv"),
    output:
        "results/slices.csv",
    log:
        "logs/collect_slices.log",
    conda:
        "../envs/report.yaml"
    params:
        code=code_digest("evaluation/table.py", "evaluation/slices.py"),
    script:
        "../workflow_scripts/collect_slices.py"


rule compare:
    input:
        splits=split_files,
        ranks=lambda wildcards: [f"results/{wildcards.dataset}/{name}/ranks.parquet" for name in run_tokenizers()],
    output:
        "results/{dataset}/comparisons.csv",
    log:
        "logs/{dataset}/compare.log",
    benchmark:
        "benchmarks/{dataset}/compare.tsv"
    conda:
        "../envs/torch.yaml"
    threads: COMPUTE["threads"]
    resources:
        mem_mb=memory(2000, 3),
    params:
        code=code_digest("evaluation"),
        settings=evaluation_options,
        names=run_tokenizers(),
    script:
        "../workflow_scripts/compare.py"


rule collect_comparisons:
    input:
        lambda wildcards: [f"results/{dataset}/comparisons.csv" for dataset in evaluated_datasets()],
    output:
        "results/comparisons.csv",
    log:
        "logs/collect_comparisons.log",
    conda:
        "../envs/report.yaml"
    params:
        code=code_digest("evaluation/table.py", "evaluation/comparisons.py"),
    script:
        "../workflow_scripts/collect_comparisons.py"


rule proxies:
    input:
        scorecards="results/tokenizers.csv",
        evaluations="results/offline_eval.csv",
    output:
        "results/proxies.csv",
    log:
        "logs/proxies.log",
    conda:
        "../envs/report.yaml"
    params:
        code=code_digest("evaluation/table.py", "evaluation/proxies.py", "semantic_ids/scorecard.py"),
    script:
        "../workflow_scripts/proxies.py"
