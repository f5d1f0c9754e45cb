"""Needs a semantic-ID table or embeddings; makes results/<dataset>/<tokenizer>/inverted/, results/<dataset>/faiss/ and
results/<dataset>/embeddings/first_of_identical.npy.
"""

FAISS_PARAMS = {
    "code": code_digest("retrieval/faiss_index.py", "retrieval/dense.py", "parts.py"),
    **{key: faiss_options()[key] for key in ("normalize", "factory", "on_disk")},
}


rule build_inverted:
    input:
        "results/{dataset}/{tokenizer}/items.parquet",
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
        mem_mb=memory(1000, 3),
    params:
        code=code_digest("retrieval/inverted.py", "semantic_ids/table.py"),
    script:
        "../workflow_scripts/build_inverted.py"


rule identical_embeddings:
    input:
        parts=embedding_parts,
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
        code=code_digest("retrieval/identical.py", "retrieval/dense.py"),
    script:
        "../workflow_scripts/identical_embeddings.py"


rule train_faiss:
    input:
        parts=embedding_parts,
        manifest="results/{dataset}/embeddings/manifest.json",
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
        mem_mb=memory(2500, 0.3),
        runtime=minutes(60, 5),
    params:
        **FAISS_PARAMS,
        # the same index whatever --cores: Snakemake caps `threads`, not this
        training_threads=COMPUTE["training_threads"],
    script:
        "../workflow_scripts/train_faiss.py"


rule fill_faiss:
    input:
        trained="results/{dataset}/faiss/trained.index",
        part="results/{dataset}/embeddings/part-{shard}.npy",
        manifest="results/{dataset}/embeddings/manifest.json",
    output:
        temp("results/{dataset}/faiss/part-{shard}.index"),
    log:
        "logs/{dataset}/faiss/fill-{shard}.log",
    benchmark:
        "benchmarks/{dataset}/faiss/fill-{shard}.tsv"
    conda:
        "../envs/faiss.yaml"
    threads: COMPUTE["threads"]
    resources:
        mem_mb=memory(1000, 3.5),
    params:
        **FAISS_PARAMS,
    script:
        "../workflow_scripts/fill_faiss.py"


rule build_faiss:
    input:
        trained="results/{dataset}/faiss/trained.index",
        parts=lambda wildcards: [f"{part[:-4]}.index" for part in parts(wildcards.dataset, "faiss")],
    output:
        FAISS_FILES,
    log:
        "logs/{dataset}/faiss/build.log",
    benchmark:
        "benchmarks/{dataset}/faiss/build.tsv"
    conda:
        "../envs/faiss.yaml"
    resources:
        mem_mb=memory(1500, 0.1 if faiss_options()["on_disk"] else 1.3),
    params:
        # of the jobs before it, too: what they leave is deleted, and with it that they are out of date
        **FAISS_PARAMS,
    script:
        "../workflow_scripts/build_faiss.py"
