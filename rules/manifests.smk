"""Needs the config; gives jobs what their manifests say of code, and the run what it describes."""


def stages_of_data(wildcards):
    """Digest of the code of each stage that made a dataset."""
    source = explained(datasets.options, wildcards.dataset)["source"]
    generated = [f"generate_{source}"] * datasets.is_generated(wildcards.dataset)
    return {
        name: code_of(f"{name.partition('_')[0]}.py", datasets.implementations)(wildcards)
        for name in (*generated, "preprocess")
    }


def stages_of_tokenizer(wildcards):
    """Digest of the code of each stage that made a semantic-ID table."""
    given = explained(tokenizers.given_codes, wildcards.tokenizer)
    repair = (
        {"repair": code_of("repair.py", tokenizers.implementations)(wildcards)}
        if explained(tokenizers.is_repaired, wildcards.tokenizer)
        else {}
    )
    if given:
        made = {f"{given.verb}_codes": code("make_codes.py", given.implementation)}
        return {**made, **repair, "export": code("export.py")}
    method = explained(tokenizers.method, wildcards.tokenizer)
    train = {f"train_{method.name}": code_of("train_tokenizer.py", tokenizers.implementations)(wildcards)}
    return {
        "embed_items": code("embed_items.py"),
        **({} if explained(tokenizers.earlier.loaded_folder, wildcards.dataset, wildcards.tokenizer) else train),
        "encode": code_of("encode.py", tokenizers.implementations)(wildcards),
        **repair,
        "export": code("export.py"),
    }


def stages_of_run(wildcards):
    """Digest of the code of the stages behind the tables, for all tokenizers and datasets of the run."""
    methods = tokenizers.implementations_of_run()
    strategies = {name for dataset in datasets.evaluated() for name in datasets.strategy_implementations(dataset)}
    controls = {
        name for dataset in datasets.evaluated() for name in datasets.strategy_implementations(dataset, "categories")
    }
    return {
        "score": code("score.py", *methods),
        "evaluate": code("evaluate.py", *sorted(strategies.union(methods))),
        "evaluate_controls": code("evaluate_controls.py", *sorted(controls)),
        "collect_evaluations": code("collect_evaluations.py"),
    }


def described_files(wildcards):
    """What the run's manifest names beside its tables: each tokenizer's manifest, and all that tables are made from."""
    return [
        *(file for name in ("manifest.json", "scorecard.json") for file in explained(tokenizers.per_tokenizer, name)),
        *(file for name in ("ranks.parquet", "slices.csv") for file in explained(tokenizers.evaluations, name)),
        *(f"results/{name}/query.json" for name in datasets.evaluated() if datasets.fits_query(name)),
    ]
