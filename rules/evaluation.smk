"""Needs splits, embeddings and an inverted index; makes offline_eval.csv, ranks.parquet and slices.csv of each tokenizer
and of the controls, offline_eval.csv of the peers, and query.json where the query is fitted.
"""

# keys of `evaluation:` that say which queries there are
QUERIES = ("split", "max_users", "seed")
# keys that also say by which vectors the queries search, and how intervals are made
ASKING_KEYS = (*QUERIES, "query", "decay", "history", "resamples")


rule evaluate:
    """Rank held-out items among the candidates that a tokenizer's codes, and random ones, give."""
    input:
        unpack(asked(tokenizers.model_files)),
        splits=asked(datasets.split_files),
        query=asked(datasets.fitted_query),
        catalogue="data/{dataset}/items.parquet",
        index=multiext(
            "results/{dataset}/{tokenizer}/inverted/",
            "codes.npy",
            "offsets.npy",
            "items.npy",
        ),
        parts=asked(datasets.embedding_parts),
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
    resources:
        mem_mb=memory_beside_items(2500, 1.3),
        runtime=evaluation_minutes,
    params:
        code=code_of("evaluate.py", tokenizers.implementations, datasets.strategy_implementations),
        settings=asked(datasets.evaluation, keys=(*ASKING_KEYS, "candidates", "rerank"), searched="candidates"),
        strategies=asked(datasets.strategies, searched="candidates"),
        normalize=datasets.faiss["normalize"],
        note=asked(datasets.note),
    script:
        "../workflow_scripts/evaluate.py"


rule evaluate_controls:
    """Evaluate what depends on a dataset alone: the whole catalogue, popularity, co-occurrence and categories."""
    input:
        splits=asked(datasets.split_files),
        query=asked(datasets.fitted_query),
        faiss=lambda wildcards: expand(FAISS_FILES, dataset=wildcards.dataset) if uses_faiss() else [],
        catalogue="data/{dataset}/items.parquet",
        parts=asked(datasets.embedding_parts),
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
    resources:
        mem_mb=memory_beside_items(2500, 1.3),
        runtime=evaluation_minutes,
    params:
        code=lambda wildcards: code(
            "evaluate_controls.py", *datasets.strategy_implementations(wildcards.dataset, "categories")
        ),
        settings=asked(datasets.evaluation, keys=ASKING_KEYS, searched="categories"),
        strategies=asked(datasets.strategies, searched="categories"),
        normalize=datasets.faiss["normalize"],
        note=asked(datasets.note),
    script:
        "../workflow_scripts/evaluate_controls.py"


rule evaluate_peers:
    """Evaluate indexes that need no semantic IDs, at the same numbers of candidates."""
    input:
        splits=asked(datasets.split_files),
        query=asked(datasets.fitted_query),
        catalogue="data/{dataset}/items.parquet",
        parts=asked(datasets.embedding_parts),
        manifest="results/{dataset}/embeddings/manifest.json",
        representatives="results/{dataset}/embeddings/first_of_identical.npy",
    output:
        "results/{dataset}/peers/offline_eval.csv",
    log:
        "logs/{dataset}/peers/evaluate.log",
    benchmark:
        "benchmarks/{dataset}/peers/evaluate.tsv"
    conda:
        "../envs/faiss.yaml"
    threads: COMPUTE["threads"]
    resources:
        mem_mb=memory_beside_items(2500, 3.5),
        runtime=evaluation_minutes,
    params:
        code=code("evaluate_peers.py"),
        settings=asked(datasets.evaluation, keys=(*ASKING_KEYS, "budgets")),
        normalize=datasets.faiss["normalize"],
        # not `threads`, which --cores caps: indexes would depend on it
        training_threads=COMPUTE["training_threads"],
        note=asked(datasets.note),
    script:
        "../workflow_scripts/evaluate_peers.py"


rule fit_query:
    """Choose the query of a dataset on its validation split."""
    input:
        # never the test split
        splits=asked(datasets.query_split_files),
        catalogue="data/{dataset}/items.parquet",
        faiss=lambda wildcards: expand(FAISS_FILES, dataset=wildcards.dataset) if uses_faiss() else [],
        parts=asked(datasets.embedding_parts),
        manifest="results/{dataset}/embeddings/manifest.json",
        representatives="results/{dataset}/embeddings/first_of_identical.npy",
    output:
        "results/{dataset}/query.json",
    log:
        "logs/{dataset}/fit_query.log",
    benchmark:
        "benchmarks/{dataset}/fit_query.tsv"
    conda:
        "../envs/faiss.yaml"
    threads: COMPUTE["threads"]
    resources:
        mem_mb=memory_beside_items(2500, 1.3),
        runtime=minutes(60, 10),
    params:
        code=code("fit_query.py"),
        seed=lambda wildcards: explained(datasets.evaluation, wildcards.dataset, ["seed"])["seed"],
        normalize=datasets.faiss["normalize"],
    script:
        "../workflow_scripts/fit_query.py"
