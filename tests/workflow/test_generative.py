"""Generators as part of the workflow: the table, what a change makes anew, and trainings that are killed."""

import csv
import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from processes import ended, until
from snake import ROOT, TINY, Run, call_snakemake, copy_project, overlay, start_snakemake

from bench import cells, strategies
from bench.sentences import Tables
from semid.analysis.generative_table import GENERATIVE_COLUMNS

TOKENIZERS = ("rqkmeans_2x16", "vqvae_32", "opq_2x16")
SMALL = {"dim": 16, "layers": 1, "epochs": 2, "measure_every": 1, "negatives": 16, "warmup_steps": 5}
CONFIG = {
    "run": {"tokenizers": [*TOKENIZERS], "generators": ["generator-tiny", "sasrec-tiny"]},
    "generators": {"generator-tiny": {**SMALL, "head_width": 16, "beam": 8}, "sasrec-tiny": SMALL},
    "evaluation": {"resamples": 20, "permutations": 99},
}
TABLE, COMPARED = "results/generative_eval.csv", "results/tiny/generator_comparisons.csv"
FILES = ("model.safetensors", "config.json", "training.csv", "generative_eval.csv", "ranks.parquet", "slices.csv")
COLLECTED = {"collect_generators", "compare_generators"}
EVALUATED = {"evaluate_generator", *COLLECTED}


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def generated(tiny_run: tuple[Path, Run], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Run]:
    """The tiny run with generators: its working directory, its config, and what snakemake said."""
    folder = tmp_path_factory.mktemp("generated")
    directory = folder / "work"
    shutil.copytree(tiny_run[0], directory)
    config = overlay(folder / "generators.yaml", CONFIG)
    run = call_snakemake(directory, "--configfile", TINY, config, "--", TABLE, COMPARED)
    assert run.ok, run.text
    return directory, config, run


def planned(directory: Path, *configs: Path, root: Path = ROOT, targets: tuple[str, ...] = (TABLE, COMPARED)) -> set:
    plan = call_snakemake(directory, "-n", "--configfile", TINY, *configs, "--", *targets, root=root)
    assert plan.ok, plan.text
    return set() if plan.finds_all_made else set(plan.rules)


def test_one_table_has_every_ranking_beside_the_controls(generated: tuple[Path, Path, Run]) -> None:
    directory, _, run = generated
    rows = read_csv(directory / TABLE)
    assert tuple(rows[0]) == GENERATIVE_COLUMNS
    found = [(row["tokenizer"], row["generator"], row["ranking"], row["seen"]) for row in rows]
    controls = [("controls", "", ranking, "removed") for ranking in ("content", "popularity", "cooccurrence")]
    assert found == [
        *controls,
        *(
            (tokenizer, "generator-tiny", ranking, seen)
            for tokenizer in TOKENIZERS
            for seen in ("removed", "kept")
            for ranking in ("dense", "generate", "hybrid")
        ),
        *(("", "sasrec-tiny", "dense", seen) for seen in ("removed", "kept")),
    ]
    assert all(0 <= float(row["recall@10_low"]) <= float(row["recall@10_high"]) <= 1 for row in rows)
    for name in (*(f"{tokenizer}/generator-tiny" for tokenizer in TOKENIZERS), "sasrec-tiny"):
        assert {path.name for path in (directory / "results/tiny" / name).iterdir()} == set(FILES)
    assert "recall@10 seen kept" in run.text
    assert "cold" in {row["slice"] for row in read_csv(directory / "results/tiny/sasrec-tiny/slices.csv")}


def test_its_manifest_names_what_it_is_made_of(generated: tuple[Path, Path, Run]) -> None:
    manifest = json.loads((generated[0] / "results/generative_manifest.json").read_text())
    files = {entry["file"] for entry in manifest["files"]}
    assert {"generative_eval.csv", "tiny/controls/offline_eval.csv", "tiny/sasrec-tiny/model.safetensors"} <= files
    assert manifest["code"]["stages"].keys() == {"train_generator", "evaluate_generator", "collect_generators"}


def test_generators_are_compared_with_each_other_and_with_those_without_ids(generated: tuple[Path, Path, Run]) -> None:
    rows = read_csv(generated[0] / COMPARED)
    pairs = {(row["tokenizer_a"], row["tokenizer_b"]) for row in rows}
    assert ("rqkmeans_2x16/generator-tiny:dense", "sasrec-tiny:dense") in pairs
    assert ("rqkmeans_2x16/generator-tiny:generate", "opq_2x16/generator-tiny:generate") in pairs
    assert ("vqvae_32/generator-tiny:dense", "vqvae_32/generator-tiny:hybrid") in pairs
    assert ("vqvae_32/generator-tiny:dense", "opq_2x16/generator-tiny:generate") not in pairs
    assert {row["rerank"] for row in rows} == {"removed", "kept"}


def test_a_change_plans_what_depends_on_it(generated: tuple[Path, Path, Run], tmp_path: Path) -> None:
    directory, config, _ = generated
    assert planned(directory, config) == set()

    def with_options(family: str, **options: object) -> set[str]:
        change = overlay(tmp_path / "change.yaml", {"generators": {family: options}})
        return planned(directory, config, change)

    assert with_options("generator-tiny", beam=9) == {"configure_generator", *EVALUATED}
    assert with_options("generator-tiny", epochs=3) == {"train_generator", "configure_generator", *EVALUATED}
    assert with_options("sasrec", dropout=0.1) == {
        *("train_sasrec", "configure_sasrec", "evaluate_sasrec"),
        *COLLECTED,
    }
    assert with_options("generator-other", epochs=1) == set()
    threads = overlay(tmp_path / "threads.yaml", {"compute": {"threads": 3, "device": "auto"}})
    assert planned(directory, config, threads) == set()


def test_an_edit_of_rankings_evaluates_anew_and_trains_nothing(
    generated: tuple[Path, Path, Run], tmp_path: Path
) -> None:
    directory, config, _ = generated
    project = copy_project(tmp_path / "project")
    for file, before, after, expected in (
        ("ranking.py", "DENSE_CANDIDATES = 100", "DENSE_CANDIDATES = 101", set()),
        ("training.py", "ROLLBACKS = 2", "ROLLBACKS = 3", {"train_generator", "train_sasrec"}),
    ):
        path = project / "semid/generative" / file
        text = path.read_text(encoding="utf-8")
        assert before in text
        path.write_text(text.replace(before, after), encoding="utf-8")
        rules = planned(directory, config, root=project)
        path.write_text(text, encoding="utf-8")
        assert rules & {"train_generator", "train_sasrec"} == expected
        assert {"evaluate_generator", "evaluate_sasrec", *COLLECTED} <= rules
        assert not rules & {"train_rqkmeans", "evaluate", "collect_evaluations"}


def test_a_run_without_generators_plans_none(tiny_run: tuple[Path, Run], generated: tuple[Path, Path, Run]) -> None:
    directory, config, _ = generated
    targets = ("all", "results/comparisons.csv", "results/proxies.csv")
    assert not {rule for rule in planned(tiny_run[0], targets=targets) if "gener" in rule or "sasrec" in rule}
    assert "collect_comparisons" in planned(directory, config, targets=targets)
    refused = call_snakemake(tiny_run[0], "-n", "--configfile", TINY, "--", TABLE)
    assert "run: there are no generators, so there is nothing to collect" in refused.text
    assert "Traceback" not in refused.text


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("rqkmeans_2x16/generatr/generative_eval.csv", "'generatr' is no generator name"),
        ("rqkmeans_2x16/sasrec/ranks.parquet", "'sasrec' knows no IDs: ask for results/tiny/sasrec/"),
        ("generator/generative_eval.csv", "is trained on the IDs of a tokenizer: ask for results/tiny/<tokenizer>"),
        ("sasrec-smal/model.safetensors", "the config defines no variant 'smal' of sasrec"),
        ("rqkmeans_2x16/generator", "is a folder, and what can be asked for are files"),
    ],
)
def test_what_cannot_be_made_is_said_in_one_sentence(tiny_run: tuple[Path, Run], target: str, words: str) -> None:
    run = call_snakemake(tiny_run[0], "-n", "--configfile", TINY, "--", f"results/tiny/{target}")
    assert not run.ok
    assert words in run.text
    assert "Traceback" not in run.text


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="kills a group of processes")
def test_a_training_that_is_killed_goes_on_to_the_same_bits(generated: tuple[Path, Path, Run], tmp_path: Path) -> None:
    directory, config, _ = generated
    whole, work = tmp_path / "whole", tmp_path / "work"
    for copy in (whole, work):
        shutil.copytree(directory, copy)
    long = {"epochs": 8, "patience": 8, "batch_positions": 64}
    # threads wait longer for each other than they compute on batches as small
    change = overlay(
        tmp_path / "long.yaml", {"generators": {"generator-tiny": long}, "compute": {"training_threads": 1}}
    )
    folder, log = "results/tiny/rqkmeans_2x16/generator-tiny", "logs/tiny/rqkmeans_2x16/generator-tiny/train.log"
    targets = [f"{folder}/{name}" for name in ("model.safetensors", "training.csv")]
    arguments = ["--configfile", TINY, config, change, "--", *targets]
    run = call_snakemake(whole, *arguments, cores=1)
    assert run.ok, run.text

    (work / log).unlink()
    stopped = start_snakemake(work, *arguments)
    with ended(stopped):
        until(lambda: (work / log).exists() and "epoch 2 of 8: item" in (work / log).read_text(), "2 epochs", stopped)
        os.killpg(stopped.pid, signal.SIGKILL)
        assert stopped.wait(60) != 0
    assert (work / folder / "checkpoint/training.safetensors").is_file()
    assert call_snakemake(work, "--unlock", *arguments).ok
    run = call_snakemake(work, *arguments)
    assert run.ok, run.text
    assert "training continues after epoch" in (work / log).read_text()
    assert (work / targets[0]).read_bytes() == (whole / targets[0]).read_bytes()
    tables = [[{**row, "seconds": ""} for row in read_csv(place / targets[1])] for place in (work, whole)]
    assert tables[0] == tables[1]
    assert not (work / folder / "checkpoint").exists()


def test_the_tables_of_the_findings_follow_from_what_a_run_writes(
    generated: tuple[Path, Path, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cells of the tiny run under names of a sweep: a tokenizer trained twice, and a cell without results."""
    whole, config, _ = generated
    evaluated = call_snakemake(
        whole, "--configfile", TINY, config, "--", "results/tokenizers.csv", "results/slices.csv"
    )
    assert evaluated.ok, evaluated.text
    results = tmp_path / "results"
    shutil.copytree(whole / "results", results)
    tiny = results / "tiny"
    for tokenizer in TOKENIZERS:
        (tiny / tokenizer / "generator-tiny").rename(tiny / tokenizer / "generator-small")
    shutil.copytree(tiny / "vqvae_32", tiny / "rqkmeans_2x16-s1")
    shutil.copytree(tiny / "opq_2x16" / "generator-small", tiny / "rqkmeans_2x16" / "generator-untaught")
    made = [f"{name}/generator-small" for name in TOKENIZERS]
    matrix = {"tiny": ([*TOKENIZERS, "rqkmeans_2x16-s1", "rqkmeans_9x16"], [*made, "rqkmeans_2x16-s1/generator-small"])}
    monkeypatch.setattr(cells, "cells", lambda: matrix)
    monkeypatch.setattr(cells, "ablations", lambda: ["rqkmeans_2x16/generator-untaught"])
    monkeypatch.setattr(cells, "ABLATED", "tiny")
    cells.gather(results, tmp_path)
    strategies.gather(results, tmp_path)
    tables = Tables(tmp_path)
    assert tables.missing == [{"dataset": "tiny", "cell": "rqkmeans_9x16"}]
    values = {(row["measure"], row["subject"]): row for row in tables.values}
    for name, trainings in (("rqkmeans_2x16", "2"), ("opq_2x16", "1")):
        assert (
            values["retrieval", name]["trainings"]
            == values["dense", f"{name}/generator-small"]["trainings"]
            == trainings
        )
    of_table = {(row["tokenizer"], row["ranking"]): row for row in read_csv(whole / TABLE) if row["seen"] == "removed"}
    opq = float(of_table["opq_2x16", "generate"]["recall@10"])
    assert float(values["generate", "opq_2x16/generator-small"]["mean"]) == pytest.approx(opq, abs=1e-5)
    both = [float(of_table[name, "generate"]["recall@10"]) for name in ("rqkmeans_2x16", "vqvae_32")]
    mean = float(values["generate", "rqkmeans_2x16/generator-small"]["mean"])
    assert mean == pytest.approx(sum(both) / 2, abs=1e-5)
    assert len(list(tables.findings("tiny", "dense"))) == 3
    # the option that was changed is compared with the first training alone
    (ablated,) = (row for row in tables.ablations if row["measure"] == "generate")
    assert float(ablated["difference"]) == pytest.approx(opq - both[0], abs=1e-5)
    assert {row["tokenizer"] for row in tables.strategies} == {*TOKENIZERS, "controls"}
    assert len(strategies.strategy_rows(tables.strategies, "tiny")) == len(TOKENIZERS)
    assert any(row[0] == "`popularity`" for row in strategies.slice_rows(tables.slices, "tiny"))
