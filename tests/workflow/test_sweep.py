"""The sweep of docs/findings/tokenizers.md plans on the data that it names."""

from pathlib import Path

import yaml
from snake import ROOT, call_snakemake

SWEEP = ROOT / "config" / "sweep.yaml"


def test_the_sweep_trains_and_compares_every_size_with_every_seed(tmp_path: Path, shared_data: Path) -> None:
    downloads = tmp_path / "data/downloads"
    downloads.mkdir(parents=True)
    (downloads / "beauty").symlink_to((shared_data / "amazon2014-beauty").resolve())
    plan = call_snakemake(tmp_path, "-n", "--configfile", SWEEP)
    assert plan.ok, plan.text
    run = yaml.safe_load(SWEEP.read_text(encoding="utf-8"))["run"]
    runs = len(run["tokenizers"]) * len(run["seeds"])
    assert plan.rules["evaluate"] == plan.rules["score"] == runs
    trained = sum(plan.rules[f"train_{method}"] for method in ("rqkmeans", "rqvae", "vqvae"))
    # of the starts in 32 dimensions one size is compared too
    starts = sum(name.startswith("rqvae") and not name.endswith("-tiger") for name in run["tokenizers"])
    assert trained == runs + (starts - 1) * len(run["seeds"])
    assert [plan.rules[rule] for rule in ("compare", "proxies", "collect_pareto", "collect_slices")] == [1, 1, 1, 1]
