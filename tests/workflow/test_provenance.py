"""Every number of a run can be traced to data, settings, code and machine."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from snake import ROOT, TINY, Run, call_snakemake, overlay

TOKENIZERS = ("rqkmeans_2x16", "rqvae_2x16", "vqvae_32")


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def check_digests(entries: list[dict[str, Any]], folder: Path) -> None:
    """Hold the files below `folder` against what a manifest says of them."""
    assert entries
    for entry in entries:
        content = (folder / entry["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"], entry["file"]
        assert entry.get("bytes", len(content)) == len(content)


def test_the_table_is_traced_to_raw_files_by_digests(tiny_run: tuple[Path, Run]) -> None:
    directory, run = tiny_run
    assert run.ok, run.text
    results = directory / "results"
    whole = read(results / "manifest.json")
    check_digests(whole["files"], results)
    named = {entry["file"] for entry in whole["files"]}
    assert {"offline_eval.csv", "tokenizers.csv", "tiny/controls/offline_eval.csv"} <= named
    for name in TOKENIZERS:
        files = ("manifest.json", "offline_eval.csv", "ranks.parquet", "slices.csv", "scorecard.json")
        assert {f"tiny/{name}/{file}" for file in files} <= named
        one = read(results / "tiny" / name / "manifest.json")
        check_digests(one["files"], results / "tiny" / name)
        assert {"model.safetensors", "config.json", "items.parquet"} < {entry["file"] for entry in one["files"]}
        check_digests(one["embeddings"]["parts"], results / "tiny/embeddings")
        check_digests(one["data"]["files"], directory / "data/tiny")
        check_digests(one["data"]["inputs"], directory)
        assert {entry["file"] for entry in one["data"]["inputs"]} == {
            "data/raw/tiny/reviews.jsonl.gz",
            "data/raw/tiny/meta.jsonl.gz",
        }


def test_a_manifest_tells_settings_seeds_counts_code_and_machine(tiny_run: tuple[Path, Run]) -> None:
    one = read(tiny_run[0] / "results/tiny/rqvae_2x16/manifest.json")
    arguments = one["settings"]["arguments"]
    assert (arguments["epochs"], arguments["init"], arguments["num_levels"]) == (3, "rqkmeans", 2)
    hashing = {"model": "hashing", "dim": 48, "seed": 0, "text": "{title}", "dtype": "float16"}
    assert one["settings"]["embeddings"] == hashing
    # of preprocessing there is none: nothing is shuffled
    assert one["seeds"] == {"arguments.seed": 0, "embeddings.seed": 0, "data.generate.seed": 1}
    stats = read(tiny_run[0] / "data/tiny/stats.json")
    assert one["data"]["counts"]["splits"] == stats["splits"]
    assert one["note"] == stats["note"]
    assert set(one["code"]["stages"]) == {"embed_items", "train_rqvae", "encode", "export"}
    start = tiny_run[0] / "results/tiny/rqkmeans_2x16/model.safetensors"
    digest = hashlib.sha256(start.read_bytes()).hexdigest()
    assert [(entry["file"], entry["sha256"]) for entry in one["inputs"]] == [
        ("results/tiny/rqkmeans_2x16/model.safetensors", digest)
    ]
    assert one["trained_on"] == one["compute"]["device"] == "cpu"
    assert {"python", "packages"} == one["software"].keys()


def test_no_manifest_tells_where_a_machine_keeps_its_files(
    tiny_run: tuple[Path, Run], tmp_path_factory: pytest.TempPathFactory
) -> None:
    manifests = [path for folder in ("data", "results") for path in (tiny_run[0] / folder).rglob("manifest.json")]
    assert len(manifests) == 3 + len(TOKENIZERS)
    for path in manifests:
        text = path.read_text(encoding="utf-8")
        assert str(tmp_path_factory.getbasetemp().parent) not in text
        assert str(ROOT) not in text


def test_the_config_in_a_manifest_is_that_of_the_run(tiny_run: tuple[Path, Run], tmp_path: Path) -> None:
    config = overlay(tmp_path / "again.yaml", read(tiny_run[0] / "results/manifest.json")["config"])
    again = call_snakemake(tiny_run[0], "-n", "--configfile", config, "--", "results/offline_eval.csv")
    assert again.finds_all_made, again.text


def test_another_manifest_of_the_data_makes_no_codes_anew(tiny_run: tuple[Path, Run]) -> None:
    targets = ["data/tiny/manifest.json", "results/tiny/vqvae_32/items.parquet"]
    plan = call_snakemake(tiny_run[0], "-n", "--forcerun", "data_manifest", "--configfile", TINY, "--", *targets)
    assert plan.ok, plan.text
    assert plan.rules == {"data_manifest": 1}
