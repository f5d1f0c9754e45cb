"""Needs a semantic-ID table or embeddings; makes results/<dataset>/<tokenizer>/inverted/ and results/<dataset>/faiss/."""


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
    params:
        code=code_digest("retrieval/inverted.py", "retrieval/ragged.py"),
    script:
        "../workflow_scripts/build_inverted.py"


rule build_faiss:
    input:
        parts=embedding_parts,
        manifest="results/{dataset}/embeddings/manifest.json",
    output:
        "results/{dataset}/faiss/index.faiss",
    log:
        "logs/{dataset}/build_faiss.log",
    benchmark:
        "benchmarks/{dataset}/build_faiss.tsv"
    conda:
        "../envs/faiss.yaml"
    threads: COMPUTE["threads"]
    params:
        code=code_digest("retrieval/faiss_index.py", "retrieval/dense.py"),
        normalize=faiss_options()["normalize"],
        factory=faiss_options()["factory"],
    script:
        "../workflow_scripts/build_faiss.py"
