"""Needs splits, and the inverted index of a tokenizer or, for sasrec, none; makes the folder of a generator with
model.safetensors, config.json, training.csv, generative_eval.csv, ranks.parquet and slices.csv, then
results/generative_eval.csv with its manifest, and results/<dataset>/generator_comparisons.csv.

While a generator trains it keeps checkpoint/ beside its model, which is no output, as tokenizers do.
"""

from semid.generator_names import GENERATOR_FOLDER

# by family: the place of a generator, its name there, and what a question about it knows without a wildcard
GENERATORS = {
    "generator": ("{dataset}/{tokenizer}/{generator}", rf"(?!{REPAIR_FOLDER}/)[^/]+", {}),
    "sasrec": ("{dataset}/{generator}", GENERATOR_FOLDER, {"tokenizer": ""}),
}

for FAMILY, (PLACE, NAME, KNOWN) in GENERATORS.items():
    FOLDER = f"results/{PLACE}"

    rule:
        # Train a generator on the histories of users.
        name:
            f"train_{FAMILY}"
        input:
            unpack(asked(generators.training_files, **KNOWN)),
        output:
            model=f"{FOLDER}/model.safetensors",
            history=f"{FOLDER}/training.csv",
        log:
            f"logs/{PLACE}/train.log",
        benchmark:
            f"benchmarks/{PLACE}/train.tsv"
        wildcard_constraints:
            generator=NAME,
        conda:
            "../envs/torch.yaml"
        threads: COMPUTE["training_threads"]
        resources:
            mem_mb=generator_memory,
            runtime=generator_minutes,
            gpu=GPUS,
            device=COMPUTE["device"],
        params:
            code=code("train_generator.py"),
            # not `threads`, which --cores caps: what is learnt would depend on it
            training_threads=COMPUTE["training_threads"],
            arguments=asked(generators.arguments),
        script:
            "../workflow_scripts/train_generator.py"

    rule:
        # Say how a trained generator searches: options that change no training.
        name:
            f"configure_{FAMILY}"
        input:
            f"{FOLDER}/model.safetensors",
        output:
            f"{FOLDER}/config.json",
        log:
            f"logs/{PLACE}/configure.log",
        wildcard_constraints:
            generator=NAME,
        conda:
            "../envs/torch.yaml"
        params:
            code=code("configure.py"),
            arguments=asked(generators.search_arguments),
        script:
            "../workflow_scripts/configure.py"

    rule:
        # Rank held-out items by what a generator writes, by its vectors, and by both.
        name:
            f"evaluate_{FAMILY}"
        input:
            unpack(asked(generators.evaluated_files, **KNOWN)),
            model=f"{FOLDER}/model.safetensors",
            config=f"{FOLDER}/config.json",
            history=f"{FOLDER}/training.csv",
        output:
            table=f"{FOLDER}/generative_eval.csv",
            ranks=f"{FOLDER}/ranks.parquet",
            slices=f"{FOLDER}/slices.csv",
        log:
            f"logs/{PLACE}/evaluate.log",
        benchmark:
            f"benchmarks/{PLACE}/evaluate.tsv"
        wildcard_constraints:
            generator=NAME,
        conda:
            "../envs/torch.yaml"
        threads: COMPUTE["training_threads"]
        resources:
            mem_mb=generator_memory,
            runtime=evaluation_minutes,
            gpu=GPUS,
            device=COMPUTE["device"],
        params:
            code=code("evaluate_generator.py"),
            # not `threads`: products round otherwise with another number of them
            training_threads=COMPUTE["training_threads"],
            settings=asked(datasets.evaluation, keys=(*QUERIES, "resamples")),
            note=asked(datasets.note),
        script:
            "../workflow_scripts/evaluate_generator.py"


rule collect_generators:
    """Make one table of all generators of the run, beside the controls, and describe it in a manifest."""
    input:
        tables=lambda wildcards: explained(generators.per_generator, "generative_eval.csv"),
        controls=lambda wildcards: explained(generators.controls),
        data=lambda wildcards: [f"data/{dataset}/manifest.json" for dataset in config["run"]["datasets"]],
        beside=lambda wildcards: [
            file
            for name in ("model.safetensors", "config.json", "training.csv", "ranks.parquet", "slices.csv")
            for file in explained(generators.per_generator, name)
        ],
    output:
        table=shown_table("results/generative_eval.csv"),
        manifest="results/generative_manifest.json",
    log:
        "logs/collect_generators.log",
    conda:
        "../envs/report.yaml"
    params:
        code=code("collect_generators.py"),
        stages={name: code(f"{name}.py") for name in ("train_generator", "evaluate_generator", "collect_generators")},
    script:
        "../workflow_scripts/collect_generators.py"


rule compare_generators:
    """Compare the generators of a run on the same users: other IDs, no IDs, and rankings of one model."""
    input:
        splits=asked(datasets.split_files),
        ranks=lambda wildcards: [
            f"results/{wildcards.dataset}/{name}/ranks.parquet" for name in explained(generators.of_run)
        ],
    output:
        "results/{dataset}/generator_comparisons.csv",
    log:
        "logs/{dataset}/compare_generators.log",
    benchmark:
        "benchmarks/{dataset}/compare_generators.tsv"
    conda:
        "../envs/torch.yaml"
    threads: COMPUTE["threads"]
    resources:
        mem_mb=memory(2000, 3),
    params:
        code=code("compare_generators.py"),
        settings=asked(datasets.evaluation, keys=(*QUERIES, "resamples", "permutations")),
        folders=lambda wildcards: explained(generators.of_run),
    script:
        "../workflow_scripts/compare_generators.py"
