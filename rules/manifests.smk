"""Needs the config and the rules; gives jobs what their manifests say of settings and code."""


def dataset_settings(wildcards):
    options = {"source": source_options(wildcards), "preprocess": preprocess_options(wildcards)}
    if is_sample(wildcards.dataset):
        options["generate"] = dataset_options(wildcards.dataset).get("generate", {})
    return options


def dataset_files(wildcards):
    """All that a dataset comes from, its own vectors too."""
    files = raw_files(wildcards) | own_vector_files(wildcards.dataset)
    return [file for value in files.values() for file in ([value] if isinstance(value, str) else value)]


def loaded_folder(wildcards):
    return dataset_options(wildcards.dataset).get("load", {}).get(wildcards.tokenizer)


def is_external(wildcards):
    return parse_name(wildcards.tokenizer).method == "external"


def tokenizer_settings(wildcards):
    """Whatever codes depend on: how the tokenizer and the embeddings are made, or where the codes come from."""
    if is_external(wildcards):
        return {"external": external_options(wildcards)}
    settings = {
        "embeddings": embeddings_options(wildcards),
        "shards": dataset_options(wildcards.dataset).get("shards", 1),
    }
    if loaded_folder(wildcards):
        return settings | {"load": loaded_folder(wildcards)}
    init = {key: value for key, value in tokenizer_options(wildcards).items() if key == "init"}
    return settings | {
        "arguments": constructor_arguments(wildcards) | init,
        "training_threads": COMPUTE["training_threads"],
    }


def encoded_with(wildcards):
    """The embeddings and the tokenizer that codes come from, and its start; or the files of codes made elsewhere."""
    if is_external(wildcards):
        options = external_options(wildcards)
        return {"sources": given([options[key] for key in ("codes", "item2id") if key in options])}
    start = [] if loaded_folder(wildcards) else start_of(wildcards)
    return {
        "model": model_of(wildcards),
        "embeddings": f"results/{wildcards.dataset}/embeddings/manifest.json",
        "sources": [start] if start else [],
    }


def stages(*names):
    """Digest of the code of each of these rules: what Snakemake holds their outputs against."""
    return {name: getattr(rules, name).params.code for name in names}


def stages_of_data(wildcards):
    return stages(*["generate_sample"] * is_sample(wildcards.dataset), "preprocess")


def stages_of_tokenizer(wildcards):
    if is_external(wildcards):
        return stages("import_codes", "export")
    trained = [] if loaded_folder(wildcards) else [f"train_{parse_name(wildcards.tokenizer).method}"]
    return stages("embed_items", *trained, "encode", "export")


def described_files(wildcards):
    """What the run's manifest names beside its tables: each tokenizer's manifest, and all that tables are made from."""
    fitted = [name for name in evaluated_datasets() if merged_options(name, "evaluation")["query"] == "fit"]
    return [
        *(file for name in ("manifest.json", "scorecard.json") for file in per_tokenizer(name)),
        *(file for name in ("ranks.parquet", "slices.csv") for file in evaluations(name)),
        *(f"results/{name}/query.json" for name in fitted),
    ]
