"""Needs a dataset's embeddings; makes results/<dataset>/<tokenizer>/model.safetensors, config.json and codes/.

Methods that keep a history of training also write training.csv. While they train they keep checkpoint/ beside it, which
is no output: Snakemake would delete it with the job that it is there to outlive. Codes that no vectors made (imported,
dealt at random, or those of categories) need no training and no encoding: they are made first, then given codewords.
"""

NAMES_OF_GIVEN_CODES = "|".join(map(name_pattern, GIVEN_CODES))
HISTORY = {"history": "results/{dataset}/{tokenizer}/training.csv"}


for METHOD in METHODS.values():

    rule:
        # Learn the codebooks of a method from the training items.
        name:
            f"train_{METHOD.name}"
        input:
            unpack(asked(tokenizers.training_files)),
            parts=asked(datasets.embedding_parts),
            manifest="results/{dataset}/embeddings/manifest.json",
            catalogue="data/{dataset}/items.parquet",
        output:
            **(HISTORY if METHOD.keeps_history else {}),
            model="results/{dataset}/{tokenizer}/model.safetensors",
        log:
            "logs/{dataset}/{tokenizer}/train.log",
        benchmark:
            "benchmarks/{dataset}/{tokenizer}/train.tsv"
        wildcard_constraints:
            tokenizer=name_pattern(METHOD.name),
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
            code=code("train_tokenizer.py", METHOD.implementation),
            # not `threads`, which --cores caps: codes would depend on it
            training_threads=COMPUTE["training_threads"],
            arguments=asked(tokenizers.arguments),
            earlier=asked(tokenizers.training_digests),
        script:
            "../workflow_scripts/train_tokenizer.py"


rule configure:
    """Say how a trained tokenizer encodes: options that change no training, so that they make none anew."""
    input:
        "results/{dataset}/{tokenizer}/model.safetensors",
    output:
        "results/{dataset}/{tokenizer}/config.json",
    log:
        "logs/{dataset}/{tokenizer}/configure.log",
    wildcard_constraints:
        tokenizer="|".join(map(name_pattern, METHODS)),
    conda:
        "../envs/torch.yaml"
    params:
        code=code("configure.py"),
        arguments=asked(tokenizers.encode_arguments),
    script:
        "../workflow_scripts/configure.py"


rule encode:
    """Encode one shard of the items."""
    input:
        unpack(asked(tokenizers.model_files)),
        part="results/{dataset}/embeddings/part-{shard}.npy",
        manifest="results/{dataset}/embeddings/manifest.json",
    output:
        "results/{dataset}/{tokenizer}/codes/part-{shard}.npy",
    log:
        "logs/{dataset}/{tokenizer}/encode-{shard}.log",
    benchmark:
        "benchmarks/{dataset}/{tokenizer}/encode-{shard}.tsv"
    wildcard_constraints:
        tokenizer=rf"(?!(?:{NAMES_OF_GIVEN_CODES})/)[^/]+",
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
        code=code_of("encode.py", tokenizers.implementations),
        earlier=asked(tokenizers.earlier.loaded_digests),
    script:
        "../workflow_scripts/encode.py"


for GIVEN in GIVEN_CODES.values():

    rule:
        # Make the codes of one shard of the items from what is known of these beside their vectors.
        name:
            f"{GIVEN.verb}_codes"
        input:
            unpack(asked(tokenizers.given_files)),
            catalogue="data/{dataset}/items.parquet",
        output:
            "results/{dataset}/{tokenizer}/codes/part-{shard}.npy",
        log:
            f"logs/{{dataset}}/{{tokenizer}}/{GIVEN.verb}-{{shard}}.log",
        benchmark:
            f"benchmarks/{{dataset}}/{{tokenizer}}/{GIVEN.verb}-{{shard}}.tsv"
        wildcard_constraints:
            tokenizer=name_pattern(GIVEN.name),
        conda:
            "../envs/torch.yaml"
        resources:
            mem_mb=memory(1500, 10),
        params:
            code=code("make_codes.py", GIVEN.implementation),
            arguments=asked(tokenizers.given_arguments),
        script:
            "../workflow_scripts/make_codes.py"


rule fit_external:
    """Give codewords to codes that no vectors made."""
    input:
        codes=asked(tokenizers.code_parts),
        parts=asked(datasets.embedding_parts),
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
        tokenizer=NAMES_OF_GIVEN_CODES,
    conda:
        "../envs/torch.yaml"
    threads: COMPUTE["threads"]
    resources:
        mem_mb=memory(2000, 1.1),
        batch_size=COMPUTE["encode_batch_size"],
    params:
        code=code("fit_external.py"),
    script:
        "../workflow_scripts/fit_external.py"
