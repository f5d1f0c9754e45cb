"""Needs raw files, or gets or generates them; reads each in a job of its own, and makes of all their rows
data/<dataset>/{items,train,valid,test}.parquet, stats.json, then manifest.json.
"""

for SOURCE in SOURCES:
    if generated_files(SOURCE):

        rule:
            # Generate the raw files of a source.
            name:
                f"generate_{SOURCE}"
            output:
                **generated_files(SOURCE),
            log:
                f"logs/{{dataset}}/generate_{SOURCE}.log",
            benchmark:
                f"benchmarks/{{dataset}}/generate_{SOURCE}.tsv"
            wildcard_constraints:
                dataset="|".join(map(re.escape, datasets.generated_from(SOURCE))) or "(?!)",
            conda:
                "../envs/data.yaml"
            params:
                code=code_of("generate.py", datasets.implementations),
                source=asked(datasets.generated_options),
            script:
                "../workflow_scripts/generate.py"


rule download:
    """Download one official file of a release."""
    output:
        "data/raw/{official}",
    log:
        "logs/{official}.log",
    benchmark:
        "benchmarks/{official}.tsv"
    wildcard_constraints:
        # the prefix of a module is part of the path on disk and not of the wildcard
        official=explained(datasets.missing_downloads, Path(workflow.modifier.modify_path("data/raw/"))),
    # compute nodes of a cluster are often without a network
    localrule: True
    conda:
        "../envs/data.yaml"
    params:
        file=asked(datasets.official_file),
    script:
        "../workflow_scripts/download.py"


rule verify:
    """Hold one official file, downloaded or put there by hand, against its size and SHA-256."""
    input:
        "data/raw/{official}",
    output:
        "data/raw/{official}.verified",
    log:
        "logs/{official}.verified.log",
    conda:
        "../envs/data.yaml"
    params:
        file=asked(datasets.official_file),
    script:
        "../workflow_scripts/verify.py"


rule read_raw:
    """Read one raw file: its rows, with the reason why one cannot be used."""
    input:
        unpack(asked(datasets.raw_file)),
    output:
        # preprocess alone reads them: --notemp keeps them, for a run with other filters
        temp("data/{dataset}/{kind}-{number}.parquet"),
    log:
        "logs/{dataset}/read_{kind}-{number}.log",
    benchmark:
        "benchmarks/{dataset}/read_{kind}-{number}.tsv"
    wildcard_constraints:
        kind="interactions|items",
        number=r"\d{5}\d*",
    conda:
        "../envs/data.yaml"
    # files are read beside each other
    threads: 1
    resources:
        mem_mb=memory(1000 + 1.5 * COMPUTE["duckdb_mb"], 0.05),
        runtime=minutes(30, 3),
        duckdb_mb=COMPUTE["duckdb_mb"],
        # a limit at which the job stops: what it makes does not depend on it
        max_malformed=asked(datasets.max_malformed),
    params:
        code=code_of("read_raw.py", datasets.implementations),
        source=asked(datasets.source_options),
        text_columns=asked(datasets.text_columns_of),
    script:
        "../workflow_scripts/read_raw.py"


rule preprocess:
    """Clean, filter and split the rows of all raw files."""
    input:
        unpack(asked(datasets.read_files)),
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
        # an item or a user takes a few integers, and a row or more
        mem_mb=memory(1000 + 1.5 * COMPUTE["duckdb_mb"], 0.2),
        runtime=minutes(30, 10),
        duckdb_mb=COMPUTE["duckdb_mb"],
    params:
        code=code_of("preprocess.py", datasets.implementations),
        source=asked(datasets.source_options),
        settings=asked(datasets.preprocess),
        embeddings=asked(datasets.catalogue_embeddings),
        note=asked(datasets.note),
    script:
        "../workflow_scripts/preprocess.py"


rule data_manifest:
    """Say what a dataset came from, and what it became."""
    input:
        raw=asked(datasets.all_raw),
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
        code=code("data_manifest.py", "semid.jobs.describe", "semid.jobs.manifest"),
        settings=asked(datasets.recorded),
        stages=stages_of_data,
    script:
        "../workflow_scripts/data_manifest.py"
