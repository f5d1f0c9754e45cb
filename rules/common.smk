"""Needs the validated config; gives names, paths and options to every rules file."""

import importlib.util
import os
import re
import sys
import time
from functools import cache
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import relevance
from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod
from snakemake.utils import update_config
from snakemake_interface_storage_plugins.registry import StoragePluginRegistry

ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent
if not (ROOT / "semid").is_dir():
    raise WorkflowError(
        f"{ROOT}: the rules need the package semid beside them, and an address brings only the rules: clone the repository "
        "and name its Snakefile by path"
    )
sys.path.insert(0, str(ROOT))

from semid.amazon2023 import (
    OFFICIAL_SPLITS,
    TABLE,
    chosen_categories,
    meta_path,
    official_file,
    official_files,
    reviews_path,
    split_path,
)
from semid.errors import InputError
from semid.naming import RESERVED, TokenizerName, name_pattern, part_name

# threads that spin while they wait make training ten times slower on a machine that others use too
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def check_config():
    """Hold the config against schemas/config.schema.yaml; every fault is one line that names its key."""
    schema = yaml.safe_load((ROOT / "schemas" / "config.schema.yaml").read_text(encoding="utf-8"))
    errors = sorted(Draft202012Validator(schema).iter_errors(config), key=relevance, reverse=True)
    faults = []
    for error in errors:
        message = error.message
        if error.validator in ("oneOf", "anyOf", "not", "pattern") and "description" in error.schema:
            message = f"{error.instance!r}: {error.schema['description']}"
        if error.validator == "additionalProperties" and "properties" in error.schema:
            message += f"; the keys here are {', '.join(error.schema['properties'])}"
        elif error.validator == "additionalProperties":
            message = f"{message.partition(' d')[0]}: {error.schema['description']}"
        faults.append(f"{': '.join(map(str, error.absolute_path)) or 'the config'}: {message}")
    if faults:
        raise WorkflowError("The configuration is wrong (config.yaml explains every key).\n" + "\n".join(faults))


def with_defaults(given):
    """The config of a module's user over config.yaml, which Snakemake does not read for a module that is given one."""
    defaults = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    update_config(defaults, given)
    return defaults


if not workflow.modifier.is_main_snakefile():
    config = with_defaults(config)
check_config()
STARTED = time.time()
COMPUTE = config["compute"]
SYNTHETIC = "synthetic: checks the plumbing, ranks nothing"


@cache
def code_digest(*places):
    """Digest of packages or files below semid/: put in params, it makes an edit rerun what uses them."""
    digest = sha256()
    for place in places:
        path = ROOT / "semid" / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def given(paths):
    """A path that the config names, or a list of them, as an input: it starts at the working directory whatever prefix
    a module has, and an address is fetched by one of Snakemake's storage plugins.
    """
    if not isinstance(paths, str):
        return [given(path) for path in paths]
    if "://" not in paths:
        return local(paths)
    host = urlsplit(paths).netloc
    if "@" in host:
        raise WorkflowError(
            f"an address at {host.rpartition('@')[2]} names a user, whom logs would show: leave it to the settings of the "
            "storage plugin (--storage-http-auth)"
        )
    if not any(plugin.storage_provider.is_valid_query(paths) for plugin in StoragePluginRegistry().plugins.values()):
        raise WorkflowError(
            f"{paths}: no storage plugin that is installed reads this address; install that of its kind, such as "
            "snakemake-storage-plugin-s3 (s3://) or snakemake-storage-plugin-http (https://), with pip or conda"
        )
    return storage(paths)


def dataset_options(dataset):
    if dataset not in config["datasets"]:
        raise WorkflowError(
            f"dataset '{dataset}' is not under `datasets:` in the config, which has {', '.join(config['datasets'])}"
        )
    return config["datasets"][dataset]


def merged_options(dataset, section):
    """A section of the config with what the dataset changes in it."""
    return {**config[section], **dataset_options(dataset).get(section, {})}


def is_evaluated(dataset):
    """Whether a dataset has interactions: with items and vectors alone there is nobody to evaluate on."""
    options = dataset_options(dataset)
    return options["source"] != "table" or bool({"interactions", "splits"} & options.keys())


def evaluated_datasets():
    return [dataset for dataset in config["run"]["datasets"] if is_evaluated(dataset)]


def check_loaded(dataset):
    """A frozen tokenizer must be used where it is meant: misspelt, it would be trained anew without a word."""
    options = dataset_options(dataset)
    for name in options.get("load", {}):
        if parse_name(name).method == "external":
            raise WorkflowError(
                f"dataset '{dataset}' loads {name}: codes made elsewhere are not loaded but named under `external:`, "
                "those of all items"
            )
        if own_vector_files(dataset) and "space" not in options["embeddings"]:
            raise WorkflowError(
                f"dataset '{dataset}' loads {name} for its own vectors: name their space (embeddings: space: …) here and "
                "in the dataset that trained it, the same where the same model made the vectors"
            )


def note(wildcards):
    return SYNTHETIC if dataset_options(wildcards.dataset)["source"] == "sample" else ""


def is_sample(dataset):
    return dataset_options(dataset)["source"] == "sample"


@cache
def release():
    """The official files of Amazon Reviews 2023 by path."""
    try:
        return official_files(config["download"].get("checksums", TABLE))
    except InputError as error:
        raise WorkflowError(str(error)) from None


def is_downloaded(dataset):
    """Whether a dataset names categories of the release rather than files."""
    return "category" in dataset_options(dataset)


def categories(dataset):
    try:
        return chosen_categories(dataset_options(dataset)["category"], release())
    except InputError as error:
        raise WorkflowError(f"dataset '{dataset}': {error}") from None


def downloads(dataset, paths):
    """Where a dataset has these files of the release."""
    return [f"data/raw/{dataset}/{path}" for path in paths]


def any_of(texts):
    return "|".join(map(re.escape, texts))


def missing_downloads():
    """Pattern of what may be downloaded, below data/raw/.

    A file that is there has no rule: as an output Snakemake would delete it, whoever put it there, to make it anew when
    the rule's script is younger.
    """
    datasets = [dataset for dataset in config["datasets"] if is_downloaded(dataset)]
    # where a module's prefix puts it
    raw = workflow.modifier.modify_path("data/raw/")
    present = [f"{dataset}/{path}" for dataset in datasets for path in release() if Path(raw, dataset, path).exists()]
    if not datasets:
        return "(?!)"
    return rf"(?!({any_of(present)})$)({any_of(datasets)})/(raw|benchmark)/.+\.(jsonl|csv)"


def release_entry(wildcards):
    """Path, SHA-256 and size of an official file, which wildcards.official has below its dataset."""
    try:
        return list(official_file(wildcards.official.partition("/")[2], release()))
    except InputError as error:
        raise WorkflowError(str(error)) from None


def source_options(wildcards):
    """The keys of a dataset that say what its raw files are."""
    options = dict(dataset_options(wildcards.dataset))
    if is_sample(wildcards.dataset):
        for name in ("reviews", "meta"):
            options[name] = f"data/raw/{wildcards.dataset}/{name}.jsonl.gz"
    if options.pop("category", None):
        names = categories(wildcards.dataset)
        split = preprocess_options(wildcards)["split"]
        if isinstance(split, str) and split in OFFICIAL_SPLITS:
            options["splits"] = {
                part: downloads(wildcards.dataset, [split_path(split, name, part) for name in names])
                for part in ("train", "valid", "test")
            }
        else:
            options["reviews"] = downloads(wildcards.dataset, map(reviews_path, names))
        options["meta"] = downloads(wildcards.dataset, map(meta_path, names))
    for key in ("generate", "preprocess", "embeddings", "evaluation", "shards", "load", "external"):
        options.pop(key, None)
    return options


def own_vector_files(dataset):
    """The files of a dataset's own vectors, named as in raw_files."""
    options = dataset_options(dataset).get("embeddings", {})
    return {f"raw_{key}": given(options[key]) for key in ("vectors", "ids", "table") if key in options}


def catalogue_embeddings(wildcards):
    """The embeddings whose ids are the catalogue, where the dataset names no items."""
    options = dataset_options(wildcards.dataset)
    names_items = options["source"] != "table" or bool({"items", "splits"} & options.keys())
    return {} if names_items or not own_vector_files(wildcards.dataset) else options["embeddings"]


def raw_files(wildcards):
    """What a dataset is made from, each file named raw_<its key in the config>: `items` would be no name for an input."""
    options = source_options(wildcards)
    named = {key: options[key] for key in ("reviews", "meta", "interactions", "items") if key in options}
    named |= options.get("splits", {})
    if is_downloaded(wildcards.dataset):
        named["records"] = [f"{file}.verified" for files in named.values() for file in files]
    made_here = is_sample(wildcards.dataset) or is_downloaded(wildcards.dataset)
    files = {f"raw_{key}": paths if made_here else given(paths) for key, paths in named.items()}
    return files | own_vector_files(wildcards.dataset) if catalogue_embeddings(wildcards) else files


def preprocess_options(wildcards):
    options = merged_options(wildcards.dataset, "preprocess")
    if isinstance(options["split"], dict):
        options["split"] = options["split"]["timestamps"]
    return options


def local_model_files(wildcards):
    """What a text encoder in a local folder consists of: other weights are another input."""
    folder = Path(embeddings_options(wildcards).get("model", ""))
    found = sorted(str(file) for file in folder.iterdir() if file.is_file()) if folder.is_dir() and folder.name else []
    return given(found)


def embeddings_options(wildcards):
    """A dataset's own `embeddings:` replace the general ones: another model has other keys."""
    return dataset_options(wildcards.dataset).get("embeddings", config["embeddings"])


def parse_name(name):
    try:
        return TokenizerName.parse(name)
    except InputError as error:
        raise WorkflowError(str(error)) from None


def run_tokenizers():
    """Every tokenizer under `run:`, with every seed; a name that carries its own seed stands as it is."""
    names = []
    for name in config["run"]["tokenizers"]:
        parsed = parse_name(name)
        names += [name] if parsed.seed else [parsed.with_seed(seed).name for seed in config["run"]["seeds"]]
    return list(dict.fromkeys(names))


def tokenizer_options(wildcards):
    """Options of a tokenizer, the general overruled by the particular: method, variant, full name."""
    name = parse_name(wildcards.tokenizer)
    known = config["tokenizers"]
    if name.variant and not {f"{name.method}-{name.variant}", name.with_seed(0).name, name.name} & known.keys():
        variants = ", ".join(key for key in known if key.startswith(f"{name.method}-")) or "none"
        raise WorkflowError(
            f"'{wildcards.tokenizer}': the config defines no variant '{name.variant}' of {name.method} under "
            f"`tokenizers:`; defined: {variants}"
        )
    options = {}
    for key in name.option_keys():
        options.update(known.get(key, {}))
    return options


def constructor_arguments(wildcards):
    """Arguments of the tokenizer's class: those of its name and of its options; `init` names a file, see start_of."""
    name = parse_name(wildcards.tokenizer)
    arguments = {"codebook_size": name.codebook_size, "seed": name.seed}
    if not name.is_flat:
        arguments["num_levels"] = name.num_levels
    return arguments | {key: value for key, value in tokenizer_options(wildcards).items() if key != "init"}


def parts(dataset, folder):
    n = dataset_options(dataset).get("shards", 1)
    return [f"results/{dataset}/{folder}/{part_name(i, n)}" for i in range(n)]


def embedding_parts(wildcards):
    return parts(wildcards.dataset, "embeddings")


def code_parts(wildcards):
    parse_name(wildcards.tokenizer)
    return parts(wildcards.dataset, f"{wildcards.tokenizer}/codes")


def model_file(dataset, tokenizer):
    """The tokenizer to encode with: the folder that the dataset loads, or the one trained here."""
    loaded = dataset_options(dataset).get("load", {}).get(tokenizer)
    return given(f"{loaded}/model.safetensors") if loaded else f"results/{dataset}/{tokenizer}/model.safetensors"


def model_of(wildcards):
    parse_name(wildcards.tokenizer)
    return model_file(wildcards.dataset, wildcards.tokenizer)


def external_options(wildcards):
    """Where codes made elsewhere are: `external_<name>` is <name> under the dataset's `external:`."""
    name = parse_name(wildcards.tokenizer).variant
    known = dataset_options(wildcards.dataset).get("external", {})
    if name not in known:
        raise WorkflowError(
            f"'{wildcards.tokenizer}': dataset '{wildcards.dataset}' names no codes '{name}' under `external:`; named: "
            f"{', '.join(known) or 'none'}"
        )
    return known[name]


def start_of(wildcards):
    """The RQ-KMeans an RQ-VAE starts from: `init` names its variant; size and seed are the same."""
    init = tokenizer_options(wildcards).get("init", "kmeans")
    if init == "kmeans":
        return []
    return model_file(wildcards.dataset, parse_name(wildcards.tokenizer).starts_from(init).name)


def per_tokenizer(file):
    """That file of every tokenizer of the run, on every dataset."""
    return [f"results/{d}/{t}/{file}" for d in config["run"]["datasets"] for t in run_tokenizers()]


def semantic_id_tables(wildcards):
    return per_tokenizer("items.parquet")


def faiss_options():
    options = {"enabled": False} if config["faiss"] is False else config["faiss"]
    return {"enabled": True, "normalize": True, "factory": "Flat", "on_disk": False, **options}


# the index, and its inverted lists where these stay on disk
FAISS_FILES = [
    f"results/{{dataset}}/faiss/index.{kind}" for kind in ["faiss", *["ivfdata"] * faiss_options()["on_disk"]]
]


def uses_faiss():
    """Whether FAISS is wanted and can be used: installed here, or in the rule's conda environment."""
    by_conda = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
    return bool(faiss_options()["enabled"] and (by_conda or importlib.util.find_spec("faiss")))


def faiss_index(wildcards):
    return expand(FAISS_FILES, dataset=wildcards.dataset) if uses_faiss() else []


def split_files(wildcards):
    if not is_evaluated(wildcards.dataset):
        raise WorkflowError(f"dataset '{wildcards.dataset}' has no interactions, so there is nothing to evaluate")
    return expand("data/{dataset}/{split}.parquet", split=["train", "valid", "test"], dataset=wildcards.dataset)


def evaluation_options(wildcards):
    return merged_options(wildcards.dataset, "evaluation")


def fitted_query(wildcards):
    """The choice of the query, where the config leaves it to the validation split."""
    return f"results/{wildcards.dataset}/query.json" if evaluation_options(wildcards)["query"] == "fit" else []


def compared_for_cost(wildcards):
    """The tables of every tokenizer of the run and, where there is FAISS, of its peers, on every evaluated dataset."""
    names = [*run_tokenizers(), *["peers"] * uses_faiss()]
    return [f"results/{dataset}/{name}/offline_eval.csv" for dataset in evaluated_datasets() for name in names]


def evaluations(file):
    """That file of the controls and of every tokenizer of the run, on every dataset with interactions."""
    datasets = evaluated_datasets()
    if not datasets:
        raise WorkflowError(
            f"run: none of the datasets {', '.join(config['run']['datasets'])} has interactions, so there is nothing "
            "to evaluate; ask for results/tokenizers.csv, or for results/<dataset>/<tokenizer>/items.parquet"
        )
    names = ["controls", *run_tokenizers()]
    return [f"results/{dataset}/{name}/{file}" for dataset in datasets for name in names]


def print_table():
    """Show the table of this run where it was made."""
    log = Path("logs/collect_evaluations.log")
    if log.is_file() and log.stat().st_mtime >= STARTED:
        print(log.read_text(encoding="utf-8").partition("\n\n")[0], file=sys.stderr)
