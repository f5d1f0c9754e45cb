"""Needs codes; makes results/<dataset>/<tokenizer>/items.parquet and manifest.json, scorecard.json and codebook.md, then
results/tokenizers.csv.
"""


rule export:
    """Write the semantic-ID table, and the manifest of the tokenizer's folder."""
    input:
        unpack(asked(tokenizers.encoded_with)),
        codes=asked(tokenizers.code_parts),
        catalogue="data/{dataset}/items.parquet",
        # the manifest says what the splits are; when they change, the manifest of the data changes with them
        splits=asked(datasets.split_files_if_any),
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
        code=code("export.py"),
        flat=asked(tokenizers.is_flat),
        settings=asked(tokenizers.settings),
        stages=stages_of_tokenizer,
    script:
        "../workflow_scripts/export.py"


rule score:
    """Say how codes are used, where they collide and what they lose."""
    input:
        unpack(asked(tokenizers.model_files)),
        codes=asked(tokenizers.code_parts),
        parts=asked(datasets.embedding_parts),
        manifest="results/{dataset}/embeddings/manifest.json",
        representatives="results/{dataset}/embeddings/first_of_identical.npy",
        catalogue="data/{dataset}/items.parquet",
        train=lambda wildcards: asked(datasets.split_files_if_any)(wildcards)[:1],
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
        code=code_of("score.py", tokenizers.implementations),
        note=asked(datasets.note),
    script:
        "../workflow_scripts/score.py"


rule collect_scorecards:
    """Make one table of all scorecards."""
    input:
        lambda wildcards: explained(tokenizers.per_tokenizer, "scorecard.json"),
    output:
        shown_table("results/tokenizers.csv"),
    log:
        "logs/collect_scorecards.log",
    conda:
        "../envs/report.yaml"
    params:
        code=code("collect_scorecards.py"),
    script:
        "../workflow_scripts/collect_scorecards.py"
