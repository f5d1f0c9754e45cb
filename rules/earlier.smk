"""Needs codes, and the table of an earlier tokenizer; makes results/<dataset>/<tokenizer>/drift.csv where that tokenizer is
loaded, and churn.csv where codes are aligned to its own.
"""

# a module that is given a prefix has its results below that
RESULTS = f"{workflow.modifier.path_modifier.prefix or ''}results"


rule drift:
    """Say whether new items suit the tokenizer that is loaded, or another should be trained."""
    input:
        unpack(asked(tokenizers.model_files)),
        unpack(asked(tokenizers.earlier.drift_files)),
        codes=asked(tokenizers.code_parts),
        parts=asked(datasets.embedding_parts),
        manifest="results/{dataset}/embeddings/manifest.json",
        catalogue="data/{dataset}/items.parquet",
    output:
        shown_table("results/{dataset}/{tokenizer}/drift.csv", of="{dataset}/{tokenizer}"),
    log:
        "logs/{dataset}/{tokenizer}/drift.log",
    benchmark:
        "benchmarks/{dataset}/{tokenizer}/drift.tsv"
    wildcard_constraints:
        tokenizer=r"[^/]+",
    conda:
        "../envs/torch.yaml"
    threads: COMPUTE["threads"]
    resources:
        mem_mb=memory_beside_items(2000, 0.3),
    params:
        code=code_of("drift.py", tokenizers.implementations),
    script:
        "../workflow_scripts/drift.py"


rule churn:
    """Say how many items have other codes than the earlier tokenizer gave them."""
    input:
        unpack(asked(tokenizers.model_files)),
        unpack(asked(tokenizers.earlier.churn_files)),
        codes=asked(tokenizers.code_parts),
        catalogue="data/{dataset}/items.parquet",
    output:
        shown_table("results/{dataset}/{tokenizer}/churn.csv", of="{dataset}/{tokenizer}"),
    log:
        "logs/{dataset}/{tokenizer}/churn.log",
    benchmark:
        "benchmarks/{dataset}/{tokenizer}/churn.tsv"
    wildcard_constraints:
        tokenizer=r"[^/]+",
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=memory_beside_items(1000, 0.3),
    params:
        code=code("churn.py"),
    script:
        "../workflow_scripts/churn.py"
