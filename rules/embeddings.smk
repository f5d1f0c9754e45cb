"""Needs data/<dataset>/items.parquet; makes results/<dataset>/embeddings/part-*.npy, then manifest.json."""


rule embed_items:
    """Embed one shard of the items."""
    input:
        unpack(asked(datasets.own_vectors)),
        model_files=asked(datasets.model_files),
        catalogue="data/{dataset}/items.parquet",
    output:
        "results/{dataset}/embeddings/part-{shard}.npy",
    log:
        "logs/{dataset}/embeddings/part-{shard}.log",
    benchmark:
        "benchmarks/{dataset}/embeddings/part-{shard}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: embedding_threads
    resources:
        mem_mb=embedding_memory,
        runtime=embedding_minutes,
        gpu=embedding_gpus,
        device=COMPUTE["device"],
        batch_size=COMPUTE["embed_batch_size"],
        compile_encoder=COMPUTE["compile_encoder"],
    params:
        code=code("embed_items.py"),
        settings=asked(datasets.embeddings),
    script:
        "../workflow_scripts/embed_items.py"


rule embeddings_manifest:
    """Check all parts of the embeddings, and describe them."""
    input:
        parts=asked(datasets.embedding_parts),
        catalogue="data/{dataset}/items.parquet",
    output:
        "results/{dataset}/embeddings/manifest.json",
    log:
        "logs/{dataset}/embeddings/manifest.log",
    conda:
        "../envs/torch.yaml"
    params:
        code=code("embeddings_manifest.py"),
        settings=asked(datasets.embeddings),
    script:
        "../workflow_scripts/embeddings_manifest.py"
