"""The workflow as a module of another one."""

import csv
import hashlib
import json
from pathlib import Path

import pytest
import yaml
from loopback import serve
from shop import shop_config, write_shop
from snake import ROOT, Run, call_snakemake, overlay

PARENT = """
configfile: "config.yaml"


rule all:
    input:
        "best.txt",


module semid:
    snakefile:
        "{snakefile}"
    config:
        config["semid"]
    prefix:
        "ids"


use rule * from semid as semid_*


rule best:
    input:
        "ids/results/offline_eval.csv",
    output:
        "best.txt",
    shell:
        "grep -c rqkmeans_2x8 {{input}} > {{output}}"
"""


def write_parent(folder: Path, snakefile: str = f"{ROOT}/Snakefile", **changes: object) -> None:
    """A workflow in `folder` that uses ours, with the shop's files beside it."""
    write_shop(folder)
    (folder / "Snakefile").write_text(PARENT.format(snakefile=snakefile))
    config = {"title": "of the other workflow", "semid": {**shop_config(), "faiss": False, **changes}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.fixture(scope="module")
def parent_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """The folder of a workflow whose default target needs our table, and what its run said."""
    folder = tmp_path_factory.mktemp("parent")
    write_parent(folder)
    return folder, call_snakemake(folder, root=folder)


def test_another_workflow_gets_our_table_below_its_prefix(parent_run: tuple[Path, Run]) -> None:
    folder, run = parent_run
    assert run.ok, run.text
    assert run.rules["all"] == run.rules["best"] == run.rules["semid_collect_evaluations"] == 1
    assert "semid_all" not in run.rules, "the other workflow has a default of its own"
    with (folder / "ids/results/offline_eval.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["tokenizer"] == "rqkmeans_2x8"]
    assert {row["dataset"] for row in rows} == {"shop"}
    assert int((folder / "best.txt").read_text()) == len(rows) > 0
    made = {path.name for path in folder.iterdir()} - {".snakemake", "Snakefile", "config.yaml", "best.txt"}
    write_shop(given := folder.parent / "given")
    assert made == {"ids", *(path.name for path in given.iterdir())}


def test_its_config_is_laid_over_our_defaults(parent_run: tuple[Path, Run]) -> None:
    folder, _ = parent_run
    config = json.loads((folder / "ids/results/manifest.json").read_text())["config"]
    given = {"datasets": ["shop"], "tokenizers": ["rqkmeans_2x8"]}
    assert config["run"] == given | {"seeds": [0], "generators": [], "repair": "none", "exports": []}
    assert config["evaluation"]["resamples"] == 20
    defaults = yaml.safe_load((ROOT / "config.yaml").read_text())
    assert config["tokenizers"] == defaults["tokenizers"]
    assert "title" not in config


def test_a_second_run_does_nothing(parent_run: tuple[Path, Run]) -> None:
    again = call_snakemake(parent_run[0], "-n", root=parent_run[0])
    assert again.finds_all_made, again.text


def test_an_option_of_the_other_workflow_reruns_what_it_changes(parent_run: tuple[Path, Run], tmp_path: Path) -> None:
    change = overlay(tmp_path / "change.yaml", {"semid": {"tokenizers": {"rqkmeans": {"kmeans_iters": 2}}}})
    plan = call_snakemake(parent_run[0], "-n", "--configfile", change, root=parent_run[0])
    assert plan.rules["semid_train_rqkmeans"] == 1
    assert "semid_preprocess" not in plan.rules


def test_a_fault_in_its_config_is_named(tmp_path: Path) -> None:
    write_parent(tmp_path, evaluation={"candidats": []})
    plan = call_snakemake(tmp_path, "-n", root=tmp_path)
    assert not plan.ok
    assert "candidats" in plan.text


def test_two_catalogues_are_two_modules(tmp_path: Path) -> None:
    write_parent(tmp_path)
    second = """
module other:
    snakefile:
        "{snakefile}"
    config:
        config["semid"] | {{"evaluation": {{"split": "valid"}}}}
    prefix:
        "valid"


use rule * from other as other_*


rule both:
    input:
        "ids/results/offline_eval.csv",
        "valid/results/offline_eval.csv",
"""
    with (tmp_path / "Snakefile").open("a") as file:
        file.write(second.format(snakefile=f"{ROOT}/Snakefile"))
    plan = call_snakemake(tmp_path, "-n", "both", root=tmp_path)
    assert plan.ok, plan.text
    assert plan.rules["semid_evaluate"] == plan.rules["other_evaluate"] == 1


def test_downloads_that_are_there_are_found_below_the_prefix(tmp_path: Path) -> None:
    content = b"{}\n"
    digest = hashlib.sha256(content).hexdigest()
    paths = ("raw/review_categories/Toys.jsonl", "raw/meta_categories/meta_Toys.jsonl")
    rows = "".join(f"{path}\t{digest}\t{len(content)}\n" for path in paths)
    (tmp_path / "checksums.tsv").write_text(f"path\tsha256\tsize\n{rows}")
    write_parent(
        tmp_path,
        run={"datasets": ["toys"]},
        datasets={"toys": {"source": "amazon2023", "category": "Toys"}},
        download={"checksums": "checksums.tsv"},
    )
    present = tmp_path / "ids/data/raw/toys" / paths[0]
    present.parent.mkdir(parents=True)
    present.write_bytes(content)
    plan = call_snakemake(tmp_path, "-n", "--", "ids/data/toys/items.parquet", root=tmp_path)
    assert plan.ok, plan.text
    assert plan.rules == {"semid_download": 1, "semid_verify": 2, "semid_read_raw": 2, "semid_preprocess": 1}


def test_an_address_instead_of_a_clone_is_refused(tmp_path: Path) -> None:
    with serve(ROOT) as address:
        write_parent(tmp_path, snakefile=f"{address}/Snakefile")
        plan = call_snakemake(tmp_path, "-n", root=tmp_path)
    assert not plan.ok
    assert "clone the repository" in plan.text
