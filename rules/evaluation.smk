"""Needs splits, embeddings and an inverted index; makes offline_eval.csv of each tokenizer, of the controls, of all."""


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
    output:
        "results/{dataset}/{tokenizer}/offline_eval.csv",
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
    output:
        "results/{dataset}/controls/offline_eval.csv",
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
        tables=evaluations,
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
