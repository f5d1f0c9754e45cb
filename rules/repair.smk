"""Needs the codes of a tokenizer, its model and the embeddings; makes results/<dataset>/<tokenizer>/repair-assign/codes/ or
repair-suffix/codes/, with repair.parquet and repair.json, which say what changed.

All other rules take <tokenizer>/repair-assign for a tokenizer, so that its table, scorecard, evaluation and generators
are made as those of native codes are. The codes are one part, however many shards the embeddings have.
"""


rule repair:
    """Give items that share their semantic ID other IDs."""
    input:
        unpack(asked(tokenizers.repaired_files)),
        parts=asked(datasets.embedding_parts),
        manifest="results/{dataset}/embeddings/manifest.json",
        catalogue="data/{dataset}/items.parquet",
    output:
        codes="results/{dataset}/{tokenizer}/codes/part-00000-of-00001.npy",
        changes="results/{dataset}/{tokenizer}/repair.parquet",
        report="results/{dataset}/{tokenizer}/repair.json",
    log:
        "logs/{dataset}/{tokenizer}/repair.log",
    benchmark:
        "benchmarks/{dataset}/{tokenizer}/repair.tsv"
    wildcard_constraints:
        tokenizer=rf"[^/]+/{REPAIR_FOLDER}",
    conda:
        "../envs/torch.yaml"
    threads: COMPUTE["threads"]
    resources:
        mem_mb=memory_beside_items(2000, 0.3),
        runtime=minutes(60, 5),
    params:
        code=code_of("repair.py", tokenizers.implementations),
    script:
        "../workflow_scripts/repair.py"
