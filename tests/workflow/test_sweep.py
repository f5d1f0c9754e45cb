"""The parts of the sweep of docs/findings.md plan on the data that they name."""

from pathlib import Path

import pytest
from snake import call_snakemake

from bench.sweep import MATRIX, parts, run_of

FOLDERS = {"beauty": "amazon2014-beauty", "industrial": "amazon2018-industrial", "movielens": "movielens-latest-small"}


@pytest.mark.parametrize("part", parts())
def test_a_part_trains_and_evaluates_what_it_names(part: str, tmp_path: Path, shared_data: Path) -> None:
    downloads = tmp_path / "data/downloads"
    downloads.mkdir(parents=True)
    for name, folder in FOLDERS.items():
        (downloads / name).symlink_to((shared_data / folder).resolve())
    file = parts()[part]
    run = run_of(file)
    tables = ["results/tokenizers.csv", "results/offline_eval.csv"]
    tables += ["results/generative_eval.csv"] if "generators" in run else []
    plan = call_snakemake(tmp_path, "-n", "--configfile", MATRIX, file, "--", *tables)
    assert plan.ok, plan.text
    names = run["tokenizers"]
    # what others start from, or are repaired from, is evaluated where it is named alone
    assert plan.rules["evaluate"] == plan.rules["score"] == len(names)
    generators = run.get("generators", [])
    knowing = sum(name.startswith("generator") for name in generators)
    trained, evaluated = (plan.rules.get(f"{verb}_generator", 0) for verb in ("train", "evaluate"))
    assert trained == evaluated == knowing * len(names)
    assert plan.rules.get("train_sasrec", 0) == len(generators) - knowing
