"""What newcomers run into ends in words that docs/guides/troubleshooting.md explains."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from processes import ended, until
from snake import ROOT, TINY, Run, call_snakemake, overlay, start_snakemake

RAW = "data/raw/tiny/reviews.jsonl.gz"
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory"]


def squeezed(text: str) -> str:
    return " ".join(text.split())


PAGE = squeezed((ROOT / "docs/guides/troubleshooting.md").read_text(encoding="utf-8"))


def assert_said_and_documented(text: str, *phrases: str) -> None:
    """Assert that `phrases` are in `text`, whatever its line breaks, and that the page on troubleshooting has them."""
    for phrase in phrases:
        assert phrase in squeezed(text), text
        assert phrase in PAGE


def failure(*command: str | Path) -> str:
    """What a command says that must fail."""
    done = subprocess.run(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
    )
    assert done.returncode, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with three items to embed."""
    directory = tmp_path_factory.mktemp("items")
    (directory / "items.csv").write_text("item_id,title\n1,One\n2,Two\n3,Three\n")
    return directory


def embedding_job(directory: Path, embeddings: dict[str, object]) -> list[str | Path]:
    """What asks for the embeddings of the three items."""
    dataset = {"source": "table", "items": "items.csv", "embeddings": embeddings}
    config = overlay(directory / "items.yaml", {"datasets": {"three": dataset}})
    return ["--configfile", config, "--", "results/three/embeddings/manifest.json"]


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_without_a_python_that_will_do_names_those_that_would(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.txt").touch()
    (tmp_path / "pyproject.toml").touch()
    old = tmp_path / "python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.10.1\nexit 1\n')
    old.chmod(0o755)
    assert_said_and_documented(
        failure("make", "-C", tmp_path, "run", "PYTHON="),
        "semid needs Python 3.11 or 3.12, and none of python3.11, python3.12, python3 is one",
    )
    said = failure("make", "-C", tmp_path, "run", f"PYTHON={old}").replace(str(old), "/path/to/python")
    assert_said_and_documented(said, "semid needs Python 3.11 or 3.12, but /path/to/python is Python 3.10.1")
    assert not (tmp_path / ".venv").exists()


def test_an_absent_conda_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = os.environ["PATH"].split(os.pathsep)
    without = [folder for folder in folders if shutil.which("conda", path=folder) is None]
    monkeypatch.setenv("PATH", os.pathsep.join(without))
    run = call_snakemake(tmp_path, "--sdm", "conda", "--configfile", TINY, "--", RAW)
    assert not run.ok
    assert_said_and_documented(run.text, "Error running conda info. Is conda installed and accessible?")


def test_a_call_without_cores_is_explained(tmp_path: Path) -> None:
    assert_said_and_documented(
        failure(*SNAKEMAKE, tmp_path, "--configfile", TINY, "--", RAW),
        "cores have to be specified for local execution (use --cores N with N being a number >= 1 or 'all')",
    )


def test_a_locked_directory_is_unlocked_and_used(tmp_path: Path) -> None:
    arguments = ["--configfile", TINY, "--", RAW]
    first = start_snakemake(tmp_path, *arguments)
    with ended(first):
        until(lambda: list(tmp_path.glob(".snakemake/locks/*")), "the directory is locked", first)
        os.killpg(first.pid, signal.SIGSTOP)
        beside = call_snakemake(tmp_path, *arguments)
    after = call_snakemake(tmp_path, *arguments)
    for run in (beside, after):
        assert not run.ok
        assert_said_and_documented(run.text, "Directory cannot be locked.", "--unlock")
    assert call_snakemake(tmp_path, "--unlock", *arguments).ok
    run = call_snakemake(tmp_path, *arguments)
    assert run.ok, run.text


def test_a_file_that_is_no_configuration_is_explained(tmp_path: Path) -> None:
    def refusal(*arguments: str | Path) -> str:
        run = call_snakemake(tmp_path, "--configfile", *arguments)
        assert not run.ok
        return run.text

    target = f"results/{tmp_path.name}.csv"
    assert_said_and_documented(
        refusal(TINY, target).replace(target, "results/…"), "No such file or directory: 'results/…'"
    )
    for name, content in {"tab.yaml": "run:\n\tseeds: [0]\n", "bracket.yaml": "run: {seeds: [0]\n"}.items():
        (tmp_path / name).write_text(content)
        assert_said_and_documented(refusal(tmp_path / name, "--", "all"), "Config file is not valid JSON or YAML.")
    (tmp_path / "list.yaml").write_text("- run\n")
    assert_said_and_documented(
        refusal(tmp_path / "list.yaml", "--", "all"),
        "Config file must be given as JSON or YAML with keys at top level.",
    )
    change = overlay(tmp_path / "typo.yaml", {"run": {"seed": [0]}})
    said = refusal(change, "--", "all")
    assert_said_and_documented(said, "The configuration is wrong (docs/reference/configuration.md explains every key).")
    assert "run: Additional properties are not allowed ('seed' was unexpected); the keys here are" in said


def test_a_target_or_an_input_that_does_not_exist_is_named(tmp_path: Path) -> None:
    run = call_snakemake(tmp_path, "-n", "--configfile", TINY, "--", "results/offline_evla.csv")
    assert not run.ok
    assert_said_and_documented(run.text, "No rule to produce results/offline_evla.csv")
    gone = {"source": "table", "items": "gone.csv", "embeddings": {"model": "hashing"}}
    config = overlay(tmp_path / "gone.yaml", {"datasets": {"gone": gone}})
    run = call_snakemake(tmp_path, "-n", "--configfile", config, "--", "data/gone/items.parquet")
    assert not run.ok
    assert_said_and_documented(run.text, "Missing input files")
    assert "gone.csv" in run.text


def test_a_model_that_cannot_be_loaded_is_named(items: Path) -> None:
    run = call_snakemake(items, *embedding_job(items, {"model": "no-such/name"}))
    assert not run.ok
    assert_said_and_documented(run.text.replace("no-such/", ""), "cannot load the encoder 'name':")
    assert "Traceback" not in run.text


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="needs prlimit")
def test_too_little_memory_is_explained(items: Path) -> None:
    # the random projection alone would take 763 GiB
    arguments = embedding_job(items, {"model": "hashing", "dim": 100_000_000})
    said = failure("prlimit", f"--as={64 << 30}", *SNAKEMAKE, items, "--cores", "1", *arguments)
    assert "error: out of memory (Unable to allocate" in said
    assert_said_and_documented(said, "give the job more, or make it need less")
    assert "see docs/guides/troubleshooting.md" in said
    assert "Traceback" not in said


def test_a_faiss_that_is_not_installed_is_explained(
    tiny_run: tuple[Path, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "work"
    shutil.copytree(tiny_run[0], directory)
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['faiss'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    arguments = ["--forcerun", "train_faiss", "--configfile", TINY, "--", "results/tiny/faiss/index.faiss"]
    said = failure(*SNAKEMAKE, directory, "--cores", "2", *arguments)
    remedy = "pip install 'semid[workflow,text,bundled,faiss]' for the Python that runs this, or use --sdm conda"
    assert_said_and_documented(said, remedy)
    assert "Traceback" not in said


@pytest.fixture
def unprivileged() -> list[str]:
    """What makes a command heed permissions, which the superuser is exempt from."""
    if os.geteuid():
        return []
    command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if shutil.which("setpriv") is None or subprocess.run([*command, "true"]).returncode:
        pytest.skip("the superuser may write everywhere, and setpriv cannot take that away here")
    return command


@pytest.mark.parametrize(
    ("closed", "message"),
    [
        ("work/results", "Failed to create output directory results/…"),
        ("work", "PermissionError: [Errno 13] Permission denied: '/…/.snakemake'"),
    ],
    ids=["results", "all"],
)
def test_a_directory_that_cannot_be_written_is_named(
    items: Path, tmp_path: Path, unprivileged: list[str], closed: str, message: str
) -> None:
    directory = tmp_path / "work"
    (tmp_path / closed).mkdir(parents=True)
    shutil.copy(items / "items.csv", directory)
    arguments = embedding_job(tmp_path, {"model": "hashing"})
    (tmp_path / closed).chmod(0o555)
    said = failure(*unprivileged, *SNAKEMAKE, directory, "--cores", "1", *arguments)
    (tmp_path / closed).chmod(0o755)
    said = said.replace("results/three/embeddings", "results/…").replace(str(directory), "/…")
    assert_said_and_documented(said, message)
    assert "PermissionError" in said


# Names and errors of the configuration


def last_words(run: Run) -> str:
    """What a refused call says at its end, which is no traceback."""
    assert not run.ok
    assert "Traceback" not in run.text
    assert 'File "' not in run.text
    return squeezed(run.text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("datasets: {1: {source: sample}}\n", "datasets: the key 1 is no text but int"),
        ("run: &a {datasets: [*a]}\n", "a YAML alias (*name) that stands inside of its own anchor (&name) has no end"),
        ("datasets: {offline_eval.csv: {source: sample}}\n", "'offline_eval.csv': expected a name of letters"),
        (f"run: {{tokenizers: [external_{'a' * 30}]}}\n", "its end repeats 'a' twenty times or more"),
        ("run: {tokenizers: [faiss]}\n", "'faiss' is no tokenizer name. Expected <method>_<size>"),
        (
            "datasets: {tiny: {embeddings: {model: hashing, text: '{title!r}'}}}\n",
            "{title!r} is no field; expected {title}",
        ),
    ],
    ids=range(6),
)
def test_a_configuration_that_cannot_be_is_refused_in_a_sentence(tmp_path: Path, text: str, words: str) -> None:
    change = tmp_path / "change.yaml"
    change.write_text(text)
    run = call_snakemake(tmp_path, "-n", "--configfile", TINY, change, "--", "results/offline_eval.csv")
    assert words in last_words(run)


@pytest.mark.parametrize("target", ["./results/tiny", "results/tiny/rqkmeans_2x16/", "data/tiny/"])
def test_a_folder_as_target_is_answered_with_what_can_be_asked_for(tmp_path: Path, target: str) -> None:
    (tmp_path / "results/tiny/rqkmeans_2x16").mkdir(parents=True)
    said = last_words(call_snakemake(tmp_path, "-n", "--configfile", TINY, "--", target))
    assert f"'{target.strip('./')}' is a folder, and what can be asked for are files" in said
    assert "<dataset> is one of" in said
    assert "<method>_<size>[-<variant>][-s<seed>]" in said


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("results/tinny/rqkmeans_2x16/items.parquet", "dataset 'tinny' is not under `datasets:` in the config"),
        (f"results/{'a' * 30}/rqkmeans_2x16/items.parquet", "aaa' is not under `datasets:` in the config"),
        ("results/tiny/rqkmeans_2x16-none/items.parquet", "the config defines no variant 'none' of rqkmeans"),
    ],
)
def test_a_path_with_a_name_that_is_none_is_refused_in_a_sentence(tmp_path: Path, target: str, words: str) -> None:
    assert words in last_words(call_snakemake(tmp_path, "-n", "--configfile", TINY, "--", target))


def test_datasets_named_like_folders_of_results_are_planned(tmp_path: Path) -> None:
    datasets = {
        name: {"source": "sample", "embeddings": {"model": "hashing"}} for name in ("embeddings", "faiss", "peers")
    }
    run = {"datasets": [*datasets], "tokenizers": ["rqkmeans_2x16"]}
    config = overlay(tmp_path / "names.yaml", {"run": run, "datasets": datasets})
    plan = call_snakemake(
        tmp_path, "-n", "--configfile", config, "--", "results/offline_eval.csv", "results/pareto.csv"
    )
    assert plan.ok, plan.text
    assert plan.rules["evaluate"] == plan.rules["evaluate_peers"] == 3


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_cuda_is_asked_for_where_there_is_none(items: Path, tmp_path: Path) -> None:
    shutil.copy(items / "items.csv", tmp_path)
    arguments = ["--config", "compute={device: cuda}", *embedding_job(tmp_path, {"model": "bundled"})]
    run = call_snakemake(tmp_path, *arguments)
    assert not run.ok
    assert "error: device 'cuda' is not available here; use `auto` or `cpu`" in run.text
    assert "Traceback" not in run.text


def test_search_that_is_switched_off_on_the_command_line_keeps_the_other_keys(tmp_path: Path) -> None:
    layer = overlay(tmp_path / "cosine.yaml", {"faiss": {"normalize": "no"}})
    target = ["--config", "faiss=false", "--", "results/offline_eval.csv"]
    said = last_words(call_snakemake(tmp_path, "-n", "--configfile", TINY, layer, *target))
    assert "faiss: {'enabled': False, 'normalize': 'no'}: expected false, or a map of enabled, normalize" in said
    assert call_snakemake(tmp_path, "-n", "--configfile", TINY, *target).ok


def test_what_was_lost_is_said_last(tmp_path: Path) -> None:
    rows = "".join(f"u{n % 4},i{n % 3},{1_500_000_000 + n}\n" for n in range(300))
    (tmp_path / "reviews.csv").write_text(f"user_id,item_id,timestamp\n{rows}u1,i1,yesterday\nbroken,line\n")
    dataset = {"source": "table", "interactions": "reviews.csv", "timestamp_unit": "seconds"}
    dataset["preprocess"] = {"k_core": 0, "repeats": "keep"}
    config = overlay(tmp_path / "lossy.yaml", {"datasets": {"lossy": dataset}})
    run = call_snakemake(tmp_path, "--configfile", config, "--", "data/lossy/items.parquet")
    assert run.ok, run.text
    # below is where Snakemake's own log is
    lines = run.text.strip().splitlines()
    at = lines.index("Lost on the way, and warnings:")
    assert at > len(lines) - 8
    assert lines[at : at + 4] == [
        "Lost on the way, and warnings:",
        "  lossy: 1 of 302 lines of reviews.csv could not be read",
        "  lossy: 2 of 302 rows of interactions were dropped (malformed: 1, wrong_type_timestamp: 1)",
        "  lossy: data/lossy/stats.json and the logs in logs/lossy/ say more",
    ]
