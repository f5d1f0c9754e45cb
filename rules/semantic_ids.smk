"""Needs codes; makes results/<dataset>/<tokenizer>/items.parquet and manifest.json, scorecard.json and codebook.md, then
results/tokenizers.csv.
"""


rule export:
    input:
        unpack(encoded_with),
        codes=code_parts,
        catalogue="data/{dataset}/items.parquet",
        # of other data the catalogue tells
        data=ancient("data/{dataset}/manifest.json"),
    output:
        table="results/{dataset}/{tokenizer}/items.parquet",
        manifest="results/{dataset}/{tokenizer}/manifest.json",
    log:
        "logs/{dataset}/{tokenizer}/export.log",
    benchmark:
        "benchmarks/{dataset}/{tokenizer}/export.tsv"
    conda:
        "../envs/torch.yaml"
    params:
        # not of manifest.py: that a manifest says more is no reason to evaluate anew
        code=code_digest("semantic_ids/table.py", "semantic_ids/codes.py", "parts.py"),
        flat=lambda wildcards: parse_name(wildcards.tokenizer).is_flat,
        settings=tokenizer_settings,
        stages=stages_of_tokenizer,
    script:
        "../workflow_scripts/export.py"


rule score:
    input:
        codes=code_parts,
        model=model_of,
        parts=embedding_parts,
        manifest="results/{dataset}/embeddings/manifest.json",
        representatives="results/{dataset}/embeddings/first_of_identical.npy",
        catalogue="data/{dataset}/items.parquet",
        train=lambda wildcards: [f"data/{wildcards.dataset}/train.parquet"] * is_evaluated(wildcards.dataset),
    output:
        scorecard="results/{dataset}/{tokenizer}/scorecard.json",
        page="results/{dataset}/{tokenizer}/codebook.md",
    log:
        "logs/{dataset}/{tokenizer}/score.log",
    benchmark:
        "benchmarks/{dataset}/{tokenizer}/score.tsv"
    conda:
        "../envs/torch.yaml"
    threads: COMPUTE["threads"]
    resources:
        mem_mb=memory(1500, 1.1),
    params:
        code=code_digest(
            "semantic_ids",
            "quantizers",
            "parts.py",
            "evaluation/structure.py",
            "evaluation/queries.py",
            "retrieval",
        ),
        note=note,
    script:
        "../workflow_scripts/score.py"


rule collect_scorecards:
    input:
        lambda wildcards: per_tokenizer("scorecard.json"),
    output:
        "results/tokenizers.csv",
    log:
        "logs/collect_scorecards.log",
    conda:
        "../envs/report.yaml"
    params:
        code=code_digest("semantic_ids/scorecard.py"),
    script:
        "../workflow_scripts/collect_scorecards.py"
