"""What a change makes anew: for every key of the configuration and every kind of edit, that which depends on it."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from snake import ROOT, TINY, Run, call_snakemake, copy_project, overlay

TARGETS = ("all", "results/offline_eval.csv")

# what follows from a change there, by the names of rules
COLLECTED = {"collect_evaluations", "collect_pareto", "proxies", "report", "figures"}
COMPARED = {"compare", "collect_comparisons", "collect_slices", "report", "figures"}
EVALUATED = {"evaluate", *COLLECTED, *COMPARED}
EXPORTED = {"export", "build_inverted", "score", "collect_scorecards", *EVALUATED}
ENCODED = {"configure", "encode", *EXPORTED}
TRAINED = {"train_rqkmeans", "train_rqvae", "train_vqvae"}
RANKED = {"evaluate_controls", "evaluate_peers"}
FAISS = {"train_faiss", "fill_faiss", "build_faiss"}
EMBEDDED = {"embed_items", "embeddings_manifest", "identical_embeddings", *FAISS, *TRAINED, *ENCODED, *RANKED}
PREPROCESSED = {"read_raw", "preprocess", "data_manifest", *EMBEDDED}
GENERATED = {"generate_sample", *PREPROCESSED}
QUERIED = {"evaluate", *RANKED, *COLLECTED, "collect_slices"}
SEARCHED = {"evaluate_controls", "collect_evaluations", "collect_slices", "proxies", "report", "figures"}
# a query is asked by its users' vectors, and a comparison is of ranks
ASKED = {*QUERIED, *COMPARED}
NOTHING: set[str] = set()

ENCODER_KEYS = ("revision", "pooling", "prompt", "normalize", "max_tokens", "precision")

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
    "run.repair": ({"run": {"repair": "assign"}}, {"repair", "export"}),
    "datasets.tiny.shards": (dataset(shards=3), EMBEDDED),
    "datasets.tiny.generate": (dataset(generate={"users": 601}), GENERATED),
    "preprocess.catalogue": ({"preprocess": {"catalogue": "all"}}, PREPROCESSED),
    "preprocess.k_core": (dataset(preprocess={"k_core": 2}), PREPROCESSED),
    "preprocess.repeats": ({"preprocess": {"repeats": "last"}}, PREPROCESSED),
    "preprocess.split": ({"preprocess": {"split": {"timestamps": [1, 2]}}}, PREPROCESSED),
    "preprocess.ties": ({"preprocess": {"ties": "shuffle"}}, PREPROCESSED),
    "embeddings.dim": (dataset(embeddings={"dim": 40}), EMBEDDED),
    "embeddings.seed": (dataset(embeddings={"seed": 1}), EMBEDDED),
    "embeddings.text": (dataset(embeddings={"text": "{title} {store}"}), EMBEDDED),
    "embeddings.dtype": (dataset(embeddings={"dtype": "float32"}), EMBEDDED),
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
    "evaluation.max_users": ({"evaluation": {"max_users": 100}}, ASKED),
    "evaluation.candidates": ({"evaluation": {"candidates": ["exact", "prefix", "probe"]}}, EVALUATED),
    "evaluation.min_candidates": ({"evaluation": {"min_candidates": 50}}, ASKED - {"evaluate_peers"}),
    "evaluation.budgets": ({"evaluation": {"budgets": [10, 50]}}, ASKED - {"evaluate_controls"}),
    "evaluation.rerank": (dataset(evaluation={"rerank": ["exact"]}), EVALUATED),
    "evaluation.seed": ({"evaluation": {"seed": 1}}, ASKED),
    "evaluation.resamples": ({"evaluation": {"resamples": 50}}, ASKED),
    "evaluation.permutations": (
        {"evaluation": {"permutations": 100}},
        {"compare", "collect_comparisons", "report", "figures"},
    ),
    "report.map": ({"report": {"map": "principal"}}, {"report", "figures"}),
    # another number of threads learns other codes, and other indexes
    "compute.training_threads": ({"compute": {"training_threads": 1}}, {*TRAINED, *ENCODED, *FAISS, *RANKED}),
}
# keys that no result of the tiny run depends on
UNREAD: dict[str, Any] = {
    "download.base_url": "https://example.org",
    "download.retries": 1,
    "download.timeout": 5,
    "preprocess.seed": 3,
    "preprocess.max_malformed": 0.5,
    # what the dataset replaces is not read
    "embeddings.model": "hashing",
    # of no query but `decay`
    "evaluation.decay": 0.5,
    "evaluation.history": 5,
    "compute.device": "auto",
    "compute.threads": 3,
    "compute.embed_batch_size": 8,
    "compute.compile_encoder": True,
    "compute.encode_batch_size": 64,
    "compute.codeword_block": 32,
    "compute.duckdb_mb": 500,
    # without --sdm apptainer
    "compute.container": "semid.sif",
}
# keys that the tiny run has no use for, and where they are tested
ELSEWHERE = {
    "run.generators": "test_generative.py",
    "run.exports": "test_exports.py",
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


def plan_of(directory: Path, *configs: Path, root: Path = ROOT) -> Run:
    """A dry run of every target."""
    plan = call_snakemake(directory, "-n", "--configfile", TINY, *configs, "--", *TARGETS, root=root)
    assert plan.ok, plan.text
    return plan


def planned(directory: Path, *configs: Path, root: Path = ROOT) -> set[str]:
    """The rules that a dry run plans, but for the target itself."""
    plan = plan_of(directory, *configs, root=root)
    return set() if plan.finds_all_made else set(plan.rules) - {"all"}


def reasons(plan: Run) -> list[str]:
    """What a plan says of each job: its rule, and why it runs."""
    return [
        line.strip() for line in plan.text.splitlines() if line.lstrip().startswith(("rule ", "localrule ", "reason:"))
    ]


@pytest.mark.parametrize("key", CHANGES)
def test_a_key_plans_what_depends_on_it(key: str, whole_run: Path, tmp_path: Path) -> None:
    change, expected = CHANGES[key]
    assert planned(whole_run, overlay(tmp_path / "change.yaml", change)) == expected


def test_keys_that_no_result_depends_on_plan_nothing(whole_run: Path, tmp_path: Path) -> None:
    change: dict[str, dict[str, Any]] = {}
    for key, value in UNREAD.items():
        section, option = key.split(".")
        change.setdefault(section, {})[option] = value
    plan = plan_of(whole_run, overlay(tmp_path / "change.yaml", change))
    assert plan.finds_all_made, reasons(plan)


def test_every_key_is_in_the_table() -> None:
    schema = json.loads((ROOT / "schemas/config.schema.json").read_text(encoding="utf-8"))
    sections = {name: schema["properties"][name] for name in ("run", "download", "report", "compute")}
    definitions = {"preprocess": ["preprocess"], "evaluation": ["evaluation"], "faiss": ["faiss"]}
    definitions["embeddings"] = ["encoder", "hashing"]
    sections |= {
        section: {"properties": {key: None for name in names for key in schema["$defs"][name]["properties"]}}
        for section, names in definitions.items()
    }
    keys = {f"{section}.{key}" for section, options in sections.items() for key in options["properties"]}
    assert keys <= CHANGES.keys() | UNREAD.keys() | ELSEWHERE.keys()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, which tests edit and leave as it was."""
    return copy_project(tmp_path_factory.mktemp("project") / "project")


@contextmanager
def edited(file: Path, before: str, after: str) -> Iterator[None]:
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after, 1), encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(text, encoding="utf-8")


# what is edited: the file, the text before and after, and the rules that it plans
EDITS: dict[str, tuple[str, str, str, set[str]]] = {
    "a kernel": (
        "semid/quantizers/kernels/nearest.py",
        "import torch\n",
        "import torch\n\nassert torch\n",
        {*TRAINED, *ENCODED},
    ),
    "one method": (
        "semid/quantizers/vqvae.py",
        "codebook_size: CodebookSize = 4096",
        "codebook_size: CodebookSize = 2048",
        VQVAE,
    ),
    "the start of another method": (
        "semid/quantizers/rqkmeans.py",
        "\n\n\n@documented",
        "\n\nEDITED = 1\n\n\n@documented",
        RQKMEANS,
    ),
    "what two methods share": (
        "semid/quantizers/autoencoder/selection.py",
        "MAX_ROLLBACKS = 2",
        "MAX_ROLLBACKS = 3",
        {"train_rqvae", "train_vqvae", *ENCODED},
    ),
    "one strategy": (
        "semid/retrieval/strategies/hamming1.py",
        "def find_hamming1(",
        "def nobody():\n    pass\n\n\ndef find_hamming1(",
        EVALUATED,
    ),
    "a warning of scorecards": (
        "semid/scorecard/warnings.py",
        "LARGE_BUCKET = 0.1",
        "LARGE_BUCKET = 0.2",
        {"score", "collect_scorecards", "collect_evaluations", "proxies", "report", "figures"},
    ),
    "a script": (
        "workflow_scripts/collect_slices.py",
        "with job_log",
        "assert True\nwith job_log",
        {"collect_slices", "report", "figures"},
    ),
    "the style of the page": ("semid/report/page.css", "light-dark(#0b5cad,", "light-dark(#0b5cae,", {"report"}),
    "the words of the sample": ("semid/data/sample/vocabulary.toml", "Crepe Pan", "Pancake Pan", GENERATED),
    "parts": ("semid/parts.py", "import operator", "import operator\n\nassert operator", EMBEDDED),
}
# edits that no result depends on: the file, the text before and after
WITHOUT_EFFECT: dict[str, tuple[str, str, str]] = {
    "a docstring": (
        "semid/quantizers/kernels/nearest.py",
        '"""The nearest codeword',
        '"""Of codewords the nearest',
    ),
    "a comment": ("semid/files.py", "import os", "import os  # of the operating system"),
    "the text of an option": ("semid/quantizers/rqkmeans.py", "1 is greedy", "1 is the greedy way"),
    "what a log says": ("semid/jobs/log.py", "done in", "finished in"),
    "another method in the table": (
        "semid/methods.py",
        "_METHODS = (",
        '_METHODS = (\n    Method("new", "flat", "semid.quantizers.vqvae:VQVAE", False, ""),',
    ),
    "another source in the table": (
        "semid/data/sources/registry.py",
        "SOURCES = {",
        'SOURCES = {\n    "new": "semid.data.sources.table:Table",',
    ),
    "codes made elsewhere": ("semid/quantizers/external.py", "logger = ", "EDITED = 1\nlogger = "),
    "codes dealt at random": ("semid/semantic_ids/dealt_codes.py", "LEVELS_A_DIGEST = 8", "LEVELS_A_DIGEST = 4"),
    "the digests": ("semid/jobs/digests.py", "PACKAGE = ", "EDITED = 1\nPACKAGE = "),
    "the downloader": ("semid/data/download.py", "LONGEST_WAIT = 60.0", "LONGEST_WAIT = 61.0"),
}


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_plans_what_runs_it(what: str, whole_run: Path, project: Path) -> None:
    file, before, after, expected = EDITS[what]
    with edited(project / file, before, after):
        assert planned(whole_run, root=project) == expected


def test_edits_that_no_result_depends_on_plan_nothing(whole_run: Path, project: Path) -> None:
    with ExitStack() as edits:
        for file, before, after in WITHOUT_EFFECT.values():
            edits.enter_context(edited(project / file, before, after))
        plan = plan_of(whole_run, root=project)
        assert plan.finds_all_made, reasons(plan)


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
    change = dataset(load={"rqkmeans_2x16": str(frozen)}) | {"run": {"tokenizers": ["rqkmeans_2x16"]}}
    load = overlay(tmp_path / "load.yaml", change)
    run = call_snakemake(directory, "--configfile", TINY, load, "--", *TARGETS)
    assert run.ok, run.text
    assert "train_rqkmeans" not in run.rules
    assert planned(directory, load) == NOTHING
    config = json.loads((frozen / "config.json").read_text(encoding="utf-8"))
    config["arguments"]["beam"] = 4
    (frozen / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert {"encode", "export", "score", "evaluate"} <= planned(directory, load)
