"""Needs raw files, or gets or generates them; makes data/<dataset>/{items,train,valid,test}.parquet, stats.json, then
manifest.json.
"""


rule generate_sample:
    output:
        reviews="data/raw/{dataset}/reviews.jsonl.gz",
        meta="data/raw/{dataset}/meta.jsonl.gz",
    log:
        "logs/{dataset}/generate_sample.log",
    benchmark:
        "benchmarks/{dataset}/generate_sample.tsv"
    wildcard_constraints:
        dataset=any_of(filter(is_sample, config["datasets"])) or "(?!)",
    conda:
        "../envs/data.yaml"
    params:
        code=code_digest("data/sample.py", "data/vocabulary.py"),
        settings=lambda wildcards: dataset_options(wildcards.dataset).get("generate", {}),
    script:
        "../workflow_scripts/generate_sample.py"


rule download:
    output:
        "data/raw/{official}",
    log:
        "logs/{official}.log",
    benchmark:
        "benchmarks/{official}.tsv"
    wildcard_constraints:
        official=missing_downloads(),
    # compute nodes of a cluster are often without a network
    localrule: True
    conda:
        "../envs/data.yaml"
    params:
        file=release_entry,
        settings={key: value for key, value in config["download"].items() if key != "checksums"},
    script:
        "../workflow_scripts/download.py"


rule verify:
    input:
        "data/raw/{official}",
    output:
        "data/raw/{official}.verified",
    log:
        "logs/{official}.verified.log",
    conda:
        "../envs/data.yaml"
    params:
        file=release_entry,
    script:
        "../workflow_scripts/verify.py"


rule preprocess:
    input:
        unpack(raw_files),
    output:
        catalogue="data/{dataset}/items.parquet",
        train="data/{dataset}/train.parquet",
        valid="data/{dataset}/valid.parquet",
        test="data/{dataset}/test.parquet",
        stats="data/{dataset}/stats.json",
    log:
        "logs/{dataset}/preprocess.log",
    benchmark:
        "benchmarks/{dataset}/preprocess.tsv"
    conda:
        "../envs/data.yaml"
    threads: min(4, COMPUTE["threads"])
    resources:
        mem_mb=memory(1000 + 1.5 * COMPUTE["duckdb_mb"], 0.05),
        runtime=minutes(30, 3),
        duckdb_mb=COMPUTE["duckdb_mb"],
    params:
        code=code_digest("data", "amazon2023.py", "embeddings/external.py", "embeddings/settings.py"),
        source=source_options,
        settings=preprocess_options,
        embeddings=catalogue_embeddings,
        note=note,
    script:
        "../workflow_scripts/preprocess.py"


rule data_manifest:
    input:
        raw=dataset_files,
        outputs=multiext("data/{dataset}/", "items.parquet", "train.parquet", "valid.parquet", "test.parquet"),
        stats="data/{dataset}/stats.json",
    output:
        "data/{dataset}/manifest.json",
    log:
        "logs/{dataset}/data_manifest.log",
    conda:
        "../envs/data.yaml"
    resources:
        runtime=minutes(30, 0.3),
    params:
        code=code_digest("manifest.py"),
        settings=dataset_settings,
        stages=stages_of_data,
    script:
        "../workflow_scripts/data_manifest.py"
