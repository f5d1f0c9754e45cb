"""Manifests name files by digest, code by commit and settings without what belongs to a machine."""

import hashlib
import json
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from semid.jobs.manifest import (
    code_state,
    describe_files,
    describe_inputs,
    machine,
    seeds_in,
    software,
    without_machine_paths,
    write_run_manifest,
    write_tokenizer_manifest,
)

STATS = {"note": "", "steps": [{"step": "read", "rows": 5}], "dropped": {}, "splits": {}, "items": {"rows": 3}}
COMPUTE = {"device": "auto", "threads": 8}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_files_are_named_from_their_folder_with_size_and_digest(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000  # more than one block
    (tmp_path / "codes").mkdir()
    (tmp_path / "codes/part.npy").write_bytes(content)
    (tmp_path / "empty.csv").write_bytes(b"")
    first, second = describe_files([tmp_path / "codes/part.npy", tmp_path / "empty.csv"], tmp_path)
    assert (first["file"], first["bytes"], first["sha256"]) == ("codes/part.npy", len(content), sha256(content))
    assert first["written"].endswith("+00:00")
    assert (second["file"], second["bytes"], second["sha256"]) == ("empty.csv", 0, sha256(b""))


def test_a_record_of_verification_spares_reading_the_file(tmp_path: Path) -> None:
    official, own = tmp_path / "Toys.jsonl", tmp_path / "own.csv"
    official.write_bytes(b"377 GB that nobody reads twice")
    own.write_bytes(b"id\n")
    (tmp_path / "Toys.jsonl.verified").write_text(json.dumps({"path": "raw/Toys.jsonl", "sha256": "abc", "size": 377}))
    assert describe_inputs([official, own, tmp_path / "Toys.jsonl.verified"]) == [
        {"file": "Toys.jsonl", "bytes": 377, "sha256": "abc"},
        {"file": "own.csv", "bytes": 3, "sha256": sha256(b"id\n")},
    ]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("/home/someone/secret/purchases.csv", "purchases.csv"),
        ("~/purchases.csv", "purchases.csv"),
        ("data/downloads/purchases.csv", "data/downloads/purchases.csv"),
        ("s3://shop/given/purchases.csv", "s3://shop/given/purchases.csv"),
        ("https://me:word@host:8443/a/b.csv?X-Amz-Signature=c#d", "https://host:8443/a/b.csv"),
        ("IVF256,SQ8", "IVF256,SQ8"),
        (0.25, 0.25),
        (None, None),
    ],
)
def test_settings_keep_what_is_no_secret_of_the_machine(given: object, kept: object) -> None:
    assert without_machine_paths({"datasets": {"mine": [given]}}) == {"datasets": {"mine": [kept]}}


def test_texts_that_look_like_paths_stay_as_they_are() -> None:
    settings = {"text": "/{title}", "columns": {"title": "/name"}, "categories_separator": "/"}
    assert without_machine_paths(settings) == settings


def test_seeds_are_found_wherever_they_are() -> None:
    settings = {"run": {"seeds": [0, 1]}, "datasets": {"tiny": {"generate": {"seed": 7}}}, "seed": 3, "sea": {"d": 1}}
    assert seeds_in(settings) == {"run.seeds": [0, 1], "datasets.tiny.generate.seed": 7, "seed": 3}


def checkout(folder: Path) -> Path:
    """A git checkout with a package semid in `folder`."""
    (folder / "semid").mkdir(parents=True)
    (folder / "semid/__init__.py").write_text("")
    (folder / "Snakefile").write_text("rule all:\n")
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "one"]):
        who = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", folder, *who, *command], check=True)
    return folder


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@needs_git
def test_code_is_named_by_commit_and_an_edit_shows(tmp_path: Path) -> None:
    root = checkout(tmp_path / "project")
    head = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    before = code_state(root)
    assert before["git"] == {"commit": head.stdout.strip(), "modified": False}
    # neither is code
    (root / "notes.txt").write_text("")
    (root / "semid/__pycache__").mkdir()
    assert code_state(root) == before
    (root / "semid/new.py").write_text("")
    after = code_state(root)
    assert after["git"] == before["git"] | {"modified": True}
    assert after["sha256"] != before["sha256"]


@needs_git
def test_a_folder_in_another_repository_has_no_commit(tmp_path: Path) -> None:
    inside = checkout(tmp_path / "project") / "site-packages"
    (inside / "semid").mkdir(parents=True)
    (inside / "semid/__init__.py").write_text("")
    assert code_state(inside)["git"] is None


def test_code_moved_to_another_file_is_other_code(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/a.smk").write_text("x")
    before = code_state(tmp_path)["sha256"]
    (tmp_path / "rules/a.smk").rename(tmp_path / "rules/b.smk")
    assert code_state(tmp_path)["sha256"] != before


@pytest.mark.parametrize("file", ["semid/new.py", "semid/words.toml", "semid/files.tsv", "rules/new.smk"])
def test_files_that_results_depend_on_are_code(file: str, tmp_path: Path) -> None:
    before = code_state(tmp_path)["sha256"]
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text("x")
    assert code_state(tmp_path)["sha256"] != before


def test_software_and_machine_are_those_that_run() -> None:
    assert software()["packages"]["numpy"] == version("numpy")


def test_a_package_that_was_half_installed_has_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half-1.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert software()["packages"]["numpy"] == version("numpy")
    assert machine()["cores"] >= 1
    assert machine()["processor"]


def test_a_loaded_tokenizer_is_told_from_one_trained_here(tmp_path: Path) -> None:
    data = tmp_path / "data.json"
    data.write_text(
        json.dumps({**STATS, "seeds": {"preprocess.seed": 4}, "settings": {}, "counts": {}, "inputs": [], "files": []})
    )
    here, elsewhere = tmp_path / "results/rqkmeans_2x8", tmp_path / "frozen"
    for folder in (here, elsewhere):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({"metadata": {"device": "cpu"}}))
        (folder / "model.safetensors").write_bytes(b"weights")
    (here / "items.parquet").write_bytes(b"codes")

    def manifest(folder: Path) -> dict:
        write_tokenizer_manifest(
            here / "manifest.json",
            "shop",
            "rqkmeans_2x8",
            {"arguments": {"seed": 1}, "load": str(folder)},
            data,
            [here / "items.parquet"],
            {"encode": "0123"},
            COMPUTE,
            model=folder / "model.safetensors",
        )
        return json.loads((here / "manifest.json").read_text())

    trained, loaded = manifest(here), manifest(elsewhere)
    assert [entry["file"] for entry in trained["files"]] == ["model.safetensors", "config.json", "items.parquet"]
    assert "loaded" not in trained
    assert [entry["file"] for entry in loaded["files"]] == ["items.parquet"]
    assert {entry["file"]: entry["sha256"] for entry in loaded["loaded"]}["model.safetensors"] == sha256(b"weights")
    assert loaded["settings"]["load"] == "frozen"
    assert loaded["trained_on"] == "cpu"
    assert loaded["seeds"] == {"arguments.seed": 1, "data.preprocess.seed": 4}
    assert loaded["code"]["stages"] == {"encode": "0123"}
    assert str(tmp_path) not in (here / "manifest.json").read_text()


def test_a_manifest_that_cannot_be_finished_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.csv"):
        write_run_manifest(tmp_path / "manifest.json", {"compute": COMPUTE}, [], [tmp_path / "gone.csv"], {})
    assert not list(tmp_path.iterdir())
