"""Needs a semantic-ID table or embeddings; makes results/<dataset>/<tokenizer>/inverted/, results/<dataset>/faiss/ and
results/<dataset>/embeddings/first_of_identical.npy.
"""

# the index, and its inverted lists where these stay on disk
FAISS_FILES = [
    f"results/{{dataset}}/faiss/index.{kind}" for kind in ["faiss", *["ivfdata"] * datasets.faiss["on_disk"]]
]
FAISS_PARAMS = {
    # of all three jobs: what the first two leave is deleted, and with it that they are out of date
    "code": [code(f"{step}_faiss.py") for step in ("train", "fill", "build")],
    **{key: datasets.faiss[key] for key in ("normalize", "factory", "on_disk")},
}


rule build_inverted:
    """Index the core items by their semantic IDs."""
    input:
        table="results/{dataset}/{tokenizer}/items.parquet",
        catalogue="data/{dataset}/items.parquet",
    output:
        codes="results/{dataset}/{tokenizer}/inverted/codes.npy",
        offsets="results/{dataset}/{tokenizer}/inverted/offsets.npy",
        members="results/{dataset}/{tokenizer}/inverted/items.npy",
    log:
        "logs/{dataset}/{tokenizer}/build_inverted.log",
    benchmark:
        "benchmarks/{dataset}/{tokenizer}/build_inverted.tsv"
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=memory_beside_items(1000, 3),
    params:
        code=code("build_inverted.py"),
    script:
        "../workflow_scripts/build_inverted.py"


rule identical_embeddings:
    """Find which items have identical embeddings."""
    input:
        parts=asked(datasets.embedding_parts),
        manifest="results/{dataset}/embeddings/manifest.json",
    output:
        "results/{dataset}/embeddings/first_of_identical.npy",
    log:
        "logs/{dataset}/embeddings/first_of_identical.log",
    benchmark:
        "benchmarks/{dataset}/embeddings/first_of_identical.tsv"
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=memory(1000, 1.1),
    params:
        code=code("identical_embeddings.py"),
    script:
        "../workflow_scripts/identical_embeddings.py"


rule train_faiss:
    """Train an empty FAISS index on a sample of the embeddings."""
    input:
        parts=asked(datasets.embedding_parts),
        manifest="results/{dataset}/embeddings/manifest.json",
        catalogue="data/{dataset}/items.parquet",
    output:
        temp("results/{dataset}/faiss/trained.index"),
    log:
        "logs/{dataset}/faiss/train.log",
    benchmark:
        "benchmarks/{dataset}/faiss/train.tsv"
    conda:
        "../envs/faiss.yaml"
    threads: COMPUTE["training_threads"]
    resources:
        mem_mb=memory_beside_items(2500, 0.3),
        runtime=minutes(60, 5),
    params:
        **FAISS_PARAMS,
        # not `threads`, which --cores caps: the index would depend on it
        training_threads=COMPUTE["training_threads"],
    script:
        "../workflow_scripts/train_faiss.py"


rule fill_faiss:
    """Fill the trained index with one shard of the embeddings."""
    input:
        trained="results/{dataset}/faiss/trained.index",
        part="results/{dataset}/embeddings/part-{shard}.npy",
        manifest="results/{dataset}/embeddings/manifest.json",
        catalogue="data/{dataset}/items.parquet",
    output:
        temp("results/{dataset}/faiss/part-{shard}.index"),
    log:
        "logs/{dataset}/faiss/fill-{shard}.log",
    benchmark:
        "benchmarks/{dataset}/faiss/fill-{shard}.tsv"
    conda:
        "../envs/faiss.yaml"
    # Flat only stores the vectors
    threads: 1 if datasets.faiss["factory"] == "Flat" else COMPUTE["threads"]
    resources:
        mem_mb=memory_beside_items(1000, 3.5),
    params:
        **FAISS_PARAMS,
    script:
        "../workflow_scripts/fill_faiss.py"


rule build_faiss:
    """Merge the filled parts into the index of all core items."""
    input:
        trained="results/{dataset}/faiss/trained.index",
        parts=lambda wildcards: [f"{part[:-4]}.index" for part in explained(datasets.parts, wildcards.dataset, "faiss")],
    output:
        FAISS_FILES,
    log:
        "logs/{dataset}/faiss/build.log",
    benchmark:
        "benchmarks/{dataset}/faiss/build.tsv"
    conda:
        "../envs/faiss.yaml"
    resources:
        mem_mb=memory(1500, 0.1 if datasets.faiss["on_disk"] else 1.3),
    params:
        **FAISS_PARAMS,
    script:
        "../workflow_scripts/build_faiss.py"
