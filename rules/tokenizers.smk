"""Needs a dataset's embeddings; makes results/<dataset>/<tokenizer>/model.safetensors, config.json and codes/.

The autoencoders also write training.csv. While they train they keep checkpoint/ beside it, which is no output:
Snakemake would delete it with the job that it is there to outlive. `external_<name>` trains and encodes nothing: codes
that were made elsewhere are imported, then given codewords.
"""


rule train_rqkmeans:
    input:
        parts=embedding_parts,
        manifest="results/{dataset}/embeddings/manifest.json",
        catalogue="data/{dataset}/items.parquet",
    output:
        model="results/{dataset}/{tokenizer}/model.safetensors",
        config="results/{dataset}/{tokenizer}/config.json",
    log:
        "logs/{dataset}/{tokenizer}/train.log",
    benchmark:
        "benchmarks/{dataset}/{tokenizer}/train.tsv"
    wildcard_constraints:
        tokenizer=name_pattern("rqkmeans"),
    conda:
        "../envs/torch.yaml"
    threads: COMPUTE["training_threads"]
    resources:
        mem_mb=training_memory,
        runtime=training_minutes,
        gpu=GPUS,
        device=COMPUTE["device"],
        batch_size=COMPUTE["encode_batch_size"],
        codeword_block=COMPUTE["codeword_block"],
    params:
        code=code_digest("quantizers"),
        # the same codes whatever --cores: Snakemake caps `threads`, not this
        training_threads=COMPUTE["training_threads"],
        arguments=constructor_arguments,
    script:
        "../workflow_scripts/train_tokenizer.py"


use rule train_rqkmeans as train_rqvae with:
    input:
        parts=embedding_parts,
        manifest="results/{dataset}/embeddings/manifest.json",
        catalogue="data/{dataset}/items.parquet",
        start=start_of,
    output:
        model="results/{dataset}/{tokenizer}/model.safetensors",
        config="results/{dataset}/{tokenizer}/config.json",
        history="results/{dataset}/{tokenizer}/training.csv",
    wildcard_constraints:
        tokenizer=name_pattern("rqvae"),


use rule train_rqkmeans as train_vqvae with:
    output:
        model="results/{dataset}/{tokenizer}/model.safetensors",
        config="results/{dataset}/{tokenizer}/config.json",
        history="results/{dataset}/{tokenizer}/training.csv",
    wildcard_constraints:
        tokenizer=name_pattern("vqvae"),


rule encode:
    input:
        model=model_of,
        part="results/{dataset}/embeddings/part-{shard}.npy",
        manifest="results/{dataset}/embeddings/manifest.json",
    output:
        "results/{dataset}/{tokenizer}/codes/part-{shard}.npy",
    log:
        "logs/{dataset}/{tokenizer}/encode-{shard}.log",
    benchmark:
        "benchmarks/{dataset}/{tokenizer}/encode-{shard}.tsv"
    wildcard_constraints:
        tokenizer=r"(?!external_)[^/]+",
    conda:
        "../envs/torch.yaml"
    threads: COMPUTE["threads"]
    resources:
        mem_mb=memory(3000),
        runtime=minutes(30, 20),
        gpu=GPUS,
        device=COMPUTE["device"],
        batch_size=COMPUTE["encode_batch_size"],
        codeword_block=COMPUTE["codeword_block"],
    params:
        code=code_digest("quantizers", "semantic_ids/encode.py", "semantic_ids/codes.py"),
    script:
        "../workflow_scripts/encode.py"


rule import_codes:
    input:
        codes=lambda wildcards: given(external_options(wildcards)["codes"]),
        item2id=lambda wildcards: given(external_options(wildcards).get("item2id", [])),
        catalogue="data/{dataset}/items.parquet",
    output:
        "results/{dataset}/{tokenizer}/codes/part-{shard}.npy",
    log:
        "logs/{dataset}/{tokenizer}/import-{shard}.log",
    benchmark:
        "benchmarks/{dataset}/{tokenizer}/import-{shard}.tsv"
    wildcard_constraints:
        tokenizer=name_pattern("external"),
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=memory(1500, 10),
    params:
        code=code_digest("semantic_ids/external.py", "semantic_ids/codes.py"),
    script:
        "../workflow_scripts/import_codes.py"


rule fit_external:
    input:
        codes=code_parts,
        parts=embedding_parts,
        manifest="results/{dataset}/embeddings/manifest.json",
        catalogue="data/{dataset}/items.parquet",
    output:
        model="results/{dataset}/{tokenizer}/model.safetensors",
        config="results/{dataset}/{tokenizer}/config.json",
    log:
        "logs/{dataset}/{tokenizer}/fit.log",
    benchmark:
        "benchmarks/{dataset}/{tokenizer}/fit.tsv"
    wildcard_constraints:
        tokenizer=name_pattern("external"),
    conda:
        "../envs/torch.yaml"
    threads: COMPUTE["threads"]
    resources:
        mem_mb=memory(2000, 1.1),
        batch_size=COMPUTE["encode_batch_size"],
    params:
        code=code_digest("quantizers"),
    script:
        "../workflow_scripts/fit_external.py"
