"""What a change makes anew: for every key of the configuration and every kind of edit, that which depends on it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from snake import ROOT, TINY, Run, call_snakemake, overlay

TARGETS = ("all", "results/offline_eval.csv")

# what follows from a change there, by the names of rules
COLLECTED = {"collect_evaluations", "collect_pareto", "proxies"}
COMPARED = {"compare", "collect_comparisons", "collect_slices"}
EVALUATED = {"evaluate", *COLLECTED, *COMPARED}
EXPORTED = {"export", "build_inverted", "score", "collect_scorecards", *EVALUATED}
ENCODED = {"configure", "encode", *EXPORTED}
TRAINED = {"train_rqkmeans", "train_rqvae", "train_vqvae"}
RANKED = {"evaluate_controls", "evaluate_peers"}
FAISS = {"train_faiss", "fill_faiss", "build_faiss"}
EMBEDDED = {"embed_items", "embeddings_manifest", "identical_embeddings", *FAISS, *TRAINED, *ENCODED, *RANKED}
PREPROCESSED = {"preprocess", "data_manifest", *EMBEDDED}
GENERATED = {"generate_sample", *PREPROCESSED}
QUERIED = {"evaluate", *RANKED, *COLLECTED, "collect_slices"}
SEARCHED = {"evaluate_controls", "collect_evaluations", "collect_slices", "proxies"}
# a query is asked by its users' vectors, and a comparison is of ranks
ASKED = {*QUERIED, *COMPARED}
NOTHING: set[str] = set()

ENCODER_KEYS = ("revision", "pooling", "normalize", "max_tokens", "precision")

RQVAE = {"train_rqvae", *ENCODED}
VQVAE = {"train_vqvae", *ENCODED}
RQKMEANS = {"train_rqkmeans", *RQVAE}


def dataset(**keys: Any) -> dict[str, Any]:
    return {"datasets": {"tiny": keys}}


# every key that the tiny run has: the change, and the rules that it plans
CHANGES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "run.datasets": ({"run": {"datasets": ["tiny", "more"]}, "datasets": {"more": {"source": "sample"}}}, GENERATED),
    "run.tokenizers": (
        {"run": {"tokenizers": ["rqkmeans_2x16", "vqvae_32"]}},
        {*COLLECTED, *COMPARED, "collect_scorecards"},
    ),
    "run.seeds": ({"run": {"seeds": [0, 1]}}, {*TRAINED, *ENCODED}),
    "datasets.tiny.shards": (dataset(shards=3), EMBEDDED),
    "datasets.tiny.generate": (dataset(generate={"users": 601}), GENERATED),
    "download.base_url": ({"download": {"base_url": "https://example.org"}}, NOTHING),
    "download.retries": ({"download": {"retries": 1}}, NOTHING),
    "download.timeout": ({"download": {"timeout": 5}}, NOTHING),
    "preprocess.k_core": (dataset(preprocess={"k_core": 2}), PREPROCESSED),
    "preprocess.repeats": ({"preprocess": {"repeats": "last"}}, PREPROCESSED),
    "preprocess.split": ({"preprocess": {"split": {"timestamps": [1, 2]}}}, PREPROCESSED),
    "preprocess.ties": ({"preprocess": {"ties": "shuffle"}}, PREPROCESSED),
    "preprocess.seed": ({"preprocess": {"seed": 3}}, NOTHING),
    "preprocess.max_malformed": ({"preprocess": {"max_malformed": 0.5}}, NOTHING),
    "embeddings.dim": (dataset(embeddings={"dim": 40}), EMBEDDED),
    "embeddings.seed": (dataset(embeddings={"seed": 1}), EMBEDDED),
    "embeddings.text": (dataset(embeddings={"text": "{title} {store}"}), EMBEDDED),
    "embeddings.dtype": (dataset(embeddings={"dtype": "float32"}), EMBEDDED),
    # what the dataset replaces is not read
    "embeddings.model": ({"embeddings": {"model": "hashing"}}, NOTHING),
    # test_configuration.py has every option of every method
    "tokenizers.rqkmeans.kmeans_iters": ({"tokenizers": {"rqkmeans": {"kmeans_iters": 3}}}, RQKMEANS),
    # it changes how vectors are encoded, and nothing that is learnt
    "tokenizers.rqkmeans.beam": ({"tokenizers": {"rqkmeans": {"beam": 2}}}, ENCODED),
    "tokenizers.rqvae.init": ({"tokenizers": {"rqvae": {"init": "kmeans"}}}, RQVAE),
    "tokenizers.rqvae.epochs": ({"tokenizers": {"rqvae": {"epochs": 4}}}, RQVAE),
    "tokenizers.vqvae.patience": ({"tokenizers": {"vqvae_32": {"patience": 1}}}, VQVAE),
    "faiss.enabled": ({"faiss": False}, {"evaluate_controls", *COLLECTED, "collect_slices"}),
    "faiss.factory": ({"faiss": {"factory": "SQfp16"}}, {*FAISS, *SEARCHED}),
    "faiss.on_disk": (
        {"faiss": {"factory": "IVF2,Flat", "on_disk": True}},
        {*FAISS, *SEARCHED},
    ),
    "faiss.normalize": ({"faiss": {"normalize": False}}, {*FAISS, *ASKED}),
    "evaluation.split": ({"evaluation": {"split": "valid"}}, ASKED),
    "evaluation.query": ({"evaluation": {"query": "mean"}}, ASKED),
    # of no query but `decay`
    "evaluation.decay": ({"evaluation": {"decay": 0.5}}, NOTHING),
    "evaluation.history": ({"evaluation": {"history": 5}}, NOTHING),
    "evaluation.max_users": ({"evaluation": {"max_users": 100}}, ASKED),
    "evaluation.candidates": ({"evaluation": {"candidates": ["exact", "prefix", "probe"]}}, EVALUATED),
    "evaluation.min_candidates": ({"evaluation": {"min_candidates": 50}}, ASKED - {"evaluate_peers"}),
    "evaluation.budgets": ({"evaluation": {"budgets": [10, 50]}}, ASKED - {"evaluate_controls"}),
    "evaluation.rerank": (dataset(evaluation={"rerank": ["exact"]}), EVALUATED),
    "evaluation.seed": ({"evaluation": {"seed": 1}}, ASKED),
    "evaluation.resamples": ({"evaluation": {"resamples": 50}}, ASKED),
    "evaluation.permutations": ({"evaluation": {"permutations": 100}}, {"compare", "collect_comparisons"}),
    # another number of threads learns other codes, and other indexes
    "compute.training_threads": ({"compute": {"training_threads": 1}}, {*TRAINED, *ENCODED, *FAISS, *RANKED}),
    **{
        f"compute.{key}": ({"compute": {key: value}}, NOTHING)
        for key, value in {
            "device": "auto",
            "threads": 3,
            "embed_batch_size": 8,
            "compile_encoder": True,
            "encode_batch_size": 64,
            "codeword_block": 32,
            "duckdb_mb": 500,
        }.items()
    },
}
# keys that the tiny run has no use for, and where they are tested
ELSEWHERE = {
    "download.checksums": "test_download.py",
    **dict.fromkeys((f"embeddings.{key}" for key in ENCODER_KEYS), "test_configuration.py"),
}


@pytest.fixture(scope="module")
def whole_run(tiny_run: tuple[Path, Run], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory in which every target of tiny.yaml is made."""
    directory = tmp_path_factory.mktemp("whole") / "work"
    shutil.copytree(tiny_run[0], directory)
    run = call_snakemake(directory, "--configfile", TINY, "--", *TARGETS)
    assert run.ok, run.text
    return directory


def planned(directory: Path, *configs: Path, root: Path = ROOT) -> set[str]:
    """The rules that a dry run plans, but for the target itself."""
    plan = call_snakemake(directory, "-n", "--configfile", TINY, *configs, "--", *TARGETS, root=root)
    assert plan.ok, plan.text
    return set() if "Nothing to be done" in plan.text else set(plan.rules) - {"all"}


@pytest.mark.parametrize("key", CHANGES)
def test_a_key_plans_what_depends_on_it(key: str, whole_run: Path, tmp_path: Path) -> None:
    change, expected = CHANGES[key]
    assert planned(whole_run, overlay(tmp_path / "change.yaml", change)) == expected


def test_every_key_is_in_the_table() -> None:
    schema = json.loads((ROOT / "schemas/config.schema.json").read_text(encoding="utf-8"))
    sections = {name: schema["properties"][name] for name in ("run", "download", "compute")}
    definitions = {"preprocess": ["preprocess"], "evaluation": ["evaluation"], "faiss": ["faiss"]}
    definitions["embeddings"] = ["encoder", "hashing"]
    sections |= {
        section: {"properties": {key: None for name in names for key in schema["$defs"][name]["properties"]}}
        for section, names in definitions.items()
    }
    keys = {f"{section}.{key}" for section, options in sections.items() for key in options["properties"]}
    assert keys - {"embeddings.model"} <= CHANGES.keys() | ELSEWHERE.keys()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, to be edited."""
    copy = tmp_path / "project"
    for name in ("rules", "workflow_scripts", "semid", "schemas", "envs", "profiles"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config.yaml"):
        shutil.copy2(ROOT / name, copy / name)
    return copy


def edit(file: Path, before: str, after: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after, 1), encoding="utf-8")


EDITS: dict[str, tuple[str, str, str, set[str]]] = {
    "a docstring": (
        "semid/quantizers/kernels/nearest.py",
        '"""The nearest codeword',
        '"""Of codewords the nearest',
        NOTHING,
    ),
    "a comment": ("semid/files.py", "import os", "import os  # of the operating system", NOTHING),
    "the text of an option": ("semid/quantizers/rqkmeans.py", "1 is greedy", "1 is the greedy way", NOTHING),
    "what a log says": ("semid/jobs/log.py", "done in", "finished in", NOTHING),
    "another method in the table": (
        *(
            "semid/methods.py",
            "_METHODS = (",
            '_METHODS = (\n    Method("new", "flat", "semid.quantizers.vqvae:VQVAE", False, ""),',
        ),
        NOTHING,
    ),
    "another source in the table": (
        *("semid/data/sources/registry.py", "SOURCES = {", 'SOURCES = {\n    "new": "semid.data.sources.table:Table",'),
        NOTHING,
    ),
    "one method": (
        "semid/quantizers/vqvae.py",
        "codebook_size: CodebookSize = 4096",
        "codebook_size: CodebookSize = 2048",
        VQVAE,
    ),
    "the start of another method": (
        *("semid/quantizers/rqkmeans.py", "\n\n\n@dataclass", "\n\nEDITED = 1\n\n\n@dataclass"),
        RQKMEANS,
    ),
    "codes made elsewhere": ("semid/quantizers/external.py", "logger = ", "EDITED = 1\nlogger = ", NOTHING),
    "the digests": ("semid/jobs/digests.py", "PACKAGE = ", "EDITED = 1\nPACKAGE = ", NOTHING),
    "what two methods share": (
        *("semid/quantizers/autoencoder/selection.py", "MAX_ROLLBACKS = 2", "MAX_ROLLBACKS = 3"),
        {"train_rqvae", "train_vqvae", *ENCODED},
    ),
    "one strategy": (
        *(
            "semid/retrieval/strategies/hamming1.py",
            "def find_hamming1(",
            "def nobody():\n    pass\n\n\ndef find_hamming1(",
        ),
        EVALUATED,
    ),
    "a warning of scorecards": (
        *("semid/scorecard/warnings.py", "LARGE_BUCKET = 0.1", "LARGE_BUCKET = 0.2"),
        {"score", "collect_scorecards", "collect_evaluations", "proxies"},
    ),
    "a script": ("workflow_scripts/collect_slices.py", "with job_log", "assert True\nwith job_log", {"collect_slices"}),
    "the downloader": ("semid/data/download.py", "LONGEST_WAIT = 60.0", "LONGEST_WAIT = 61.0", NOTHING),
    "the words of the sample": ("semid/data/sample/vocabulary.toml", "Crepe Pan", "Pancake Pan", GENERATED),
    "parts": ("semid/parts.py", "import operator", "import operator\n\nassert operator", EMBEDDED),
}


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_plans_what_runs_it(what: str, whole_run: Path, project: Path) -> None:
    file, before, after, expected = EDITS[what]
    edit(project / file, before, after)
    assert planned(whole_run, root=project) == expected


def test_a_change_of_ties_makes_the_manifests_of_tokenizers_anew(whole_run: Path, tmp_path: Path) -> None:
    directory = tmp_path / "work"
    shutil.copytree(whole_run, directory)
    shuffle = overlay(tmp_path / "shuffle.yaml", {"preprocess": {"ties": "shuffle"}})
    run = call_snakemake(directory, "--configfile", TINY, shuffle, "--", "data/tiny/manifest.json")
    assert run.ok, run.text
    assert "export" in planned(directory, shuffle)


def test_another_config_of_a_loaded_tokenizer_encodes_anew(whole_run: Path, tmp_path: Path) -> None:
    directory = tmp_path / "work"
    shutil.copytree(whole_run, directory)
    frozen = tmp_path / "frozen"
    shutil.copytree(directory / "results/tiny/rqkmeans_2x16", frozen)
    load = overlay(tmp_path / "load.yaml", {"datasets": {"tiny": {"load": {"rqkmeans_2x16": str(frozen)}}}})
    run = call_snakemake(directory, "--configfile", TINY, load, "--", *TARGETS)
    assert run.ok, run.text
    assert "train_rqkmeans" not in run.rules
    assert planned(directory, load) == NOTHING
    config = json.loads((frozen / "config.json").read_text(encoding="utf-8"))
    config["arguments"]["beam"] = 4
    (frozen / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert {"encode", "export", "score", "evaluate"} <= planned(directory, load)
