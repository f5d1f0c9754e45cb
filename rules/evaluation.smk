"""Needs splits, embeddings and an inverted index; makes offline_eval.csv, ranks.parquet and slices.csv of each tokenizer
and of the controls, then results/{offline_eval,slices,comparisons}.csv.
"""


rule evaluate:
    input:
        splits=split_files,
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
        faiss=faiss_index,
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
    params:
        code=code_digest("evaluation", "retrieval"),
        settings=evaluation_options,
        normalize=faiss_options()["normalize"],
        note=note,
    script:
        "../workflow_scripts/evaluate_controls.py"


rule collect_evaluations:
    input:
        tables=lambda wildcards: evaluations("offline_eval.csv"),
        scorecards="results/tokenizers.csv",
    output:
        "results/offline_eval.csv",
    log:
        "logs/collect_evaluations.log",
    conda:
        "../envs/torch.yaml"
    params:
        code=code_digest("evaluation/table.py"),
    script:
        "../workflow_scripts/collect_evaluations.py"


rule collect_slices:
    input:
        lambda wildcards: evaluations("slices.csv"),
    output:
        "results/slices.csv",
    log:
        "logs/collect_slices.log",
    conda:
        "../envs/torch.yaml"
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
        "../envs/torch.yaml"
    params:
        code=code_digest("evaluation/table.py", "evaluation/comparisons.py"),
    script:
        "../workflow_scripts/collect_comparisons.py"
