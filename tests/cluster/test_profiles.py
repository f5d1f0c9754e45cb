"""What jobs ask of a batch system, and that asking for something else makes nothing anew: no batch system needed."""

import os
import re
import shutil
from pathlib import Path

import pytest
import torch
from snake import ROOT, TINY, Run, call_snakemake, overlay

PROFILES = [ROOT / "profiles" / name for name in ("slurm", "cluster-generic")]


def plan(tiny_run: tuple[Path, Run], *arguments: str | Path, config: Path | None = None) -> Run:
    """A dry run in the working directory of a run that is complete; `config` is laid over its own."""
    configs = [TINY, *([config] if config else [])]
    done = call_snakemake(tiny_run[0], "-n", *arguments, "--configfile", *configs, "--", "results/offline_eval.csv")
    assert done.ok, done.text
    return done


def resources(text: str) -> dict[str, dict[str, str]]:
    """The resources of a job of each rule of a plan: that whose output is the first, for plans order jobs freely."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for job in re.split(r"\n(?=(?:local)?rule )", text)[1:]:
        rule = re.match(r"(?:local)?rule (\w+):", job)
        output = re.search(r"output: (.*)", job)
        asked = re.search(r"resources: (.*)", job)
        resources = dict(part.split("=", 1) for part in asked[1].split(", ")) if asked else {}
        found[rule[1], output[1] if output else ""] = resources
    return {rule: of_job for (rule, _), of_job in sorted(found.items(), key=lambda job: job[0], reverse=True)}


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.name)
def test_a_profile_and_other_resources_rerun_nothing(tiny_run: tuple[Path, Run], profile: Path, tmp_path: Path):
    other = overlay(tmp_path / "other.yaml", {"compute": {"device": "cuda", "threads": 3, "duckdb_mb": 500}})
    arguments = ["--profile", profile, "--set-resources", "embed_items:mem_mb=7000", "train_rqkmeans:runtime=5"]
    done = plan(tiny_run, *arguments, config=other)
    assert done.finds_all_made, done.text


def test_jobs_ask_for_more_memory_and_time_with_every_attempt(tiny_run: tuple[Path, Run]):
    first = resources(plan(tiny_run, "--forceall", "--profile", PROFILES[0]).text)
    third = resources(plan(tiny_run, "--forceall", "--profile", PROFILES[0], "--attempt", "3").text)
    assert first.keys() == third.keys()
    asked = {rule for rule, of_rule in first.items() if "mem_mb" in of_rule}
    # the rows of raw files and the parts of the FAISS index are temporary: how much they take is known when the jobs
    # are submitted
    later = {"preprocess", "fill_faiss", "build_faiss"}
    assert {rule for rule in asked if first[rule]["mem_mb"] == "<TBD>"} == later
    known = asked - later
    assert known >= {"read_raw", "embed_items", "train_rqkmeans", "encode", "score", "evaluate", "collect_scorecards"}
    for rule in known:
        for key in ("mem_mb", "runtime"):
            assert int(third[rule][key]) == 3 * int(first[rule][key]), (rule, key)


def test_memory_grows_with_the_inputs(tiny_run: tuple[Path, Run], tmp_path: Path):
    """`evaluate` holds the mapped vectors: of a catalogue that is 100 MB larger it asks for so much more."""
    small = resources(plan(tiny_run, "--forcerun", "evaluate").text)["evaluate"]
    grown = shutil.copytree(tiny_run[0], tmp_path / "grown")
    os.truncate(grown / "results/tiny/embeddings/manifest.json", 100 * 1024**2)
    large = resources(plan((grown, tiny_run[1]), "--forcerun", "evaluate").text)["evaluate"]
    assert int(large["mem_mb"]) - int(small["mem_mb"]) == pytest.approx(130, abs=1)


@pytest.mark.parametrize(("device", "gpus"), [("cuda", 1), ("cuda:1", 1), ("auto", 0), ("cpu", 0), ("mps", 0)])
def test_only_cuda_asks_for_a_gpu_one_a_job(tmp_path: Path, device: str, gpus: int):
    config = overlay(tmp_path / "device.yaml", {"compute": {"device": device}})
    done = call_snakemake(tmp_path / "run", "-n", "--configfile", config, "--", "results/offline_eval.csv")
    asked = {rule: int(of_rule["gpu"]) for rule, of_rule in resources(done.text).items() if "gpu" in of_rule}
    uses_a_device = ["embed_items", "train_rqkmeans", "train_rqvae", "train_vqvae", "encode"]
    assert asked == dict.fromkeys(uses_a_device, gpus), done.text


def test_hashing_words_asks_for_no_gpu(tiny_run: tuple[Path, Run], tmp_path: Path):
    config = overlay(tmp_path / "device.yaml", {"compute": {"device": "cuda"}})
    asked = resources(plan(tiny_run, "--forceall", config=config).text)
    assert (asked["embed_items"]["gpu"], asked["encode"]["gpu"]) == ("0", "1")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_on_a_machine_without_is_a_clear_error(tiny_run: tuple[Path, Run], tmp_path: Path):
    directory = shutil.copytree(tiny_run[0], tmp_path / "run")
    config = overlay(tmp_path / "cuda.yaml", {"compute": {"device": "cuda"}})
    target = "results/tiny/rqkmeans_2x8/model.safetensors"
    done = call_snakemake(directory, "--configfile", TINY, config, "--", target)
    assert not done.ok
    assert "error: device 'cuda' is not available here; use `auto` or `cpu`" in done.text
