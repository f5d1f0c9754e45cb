"""Exports as part of the workflow: by path and by `run: exports`, with and without interactions."""

import csv
import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from snake import TINY, Run, call_snakemake, overlay

from semid.semantic_ids import EXPORTS, read_semantic_ids

TOKENIZER = "results/tiny/rqkmeans_2x16"


@pytest.fixture(scope="module")
def exported(tiny_run: tuple[Path, Run], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Run]:
    """The tiny run with every export that takes IDs of two codes, and one by path; its config; what was said."""
    folder = tmp_path_factory.mktemp("exported")
    directory = folder / "work"
    shutil.copytree(tiny_run[0], directory)
    names = [name for name in EXPORTS if name != "openonerec"]
    change = {
        "run": {"tokenizers": ["rqkmeans_2x16"], "exports": names},
        "exports": {"lcrec": {"name": "ds"}, "minionerec": {"category": "Books"}},
    }
    config = overlay(folder / "exports.yaml", change)
    run = call_snakemake(directory, "--configfile", TINY, config, "--", "all")
    assert run.ok, run.text
    return directory, config, run


def test_a_run_makes_its_exports_and_then_nothing(exported: tuple[Path, Path, Run]) -> None:
    directory, config, run = exported
    names = {name for name in EXPORTS if name != "openonerec"}
    assert {f"export_{name}" for name in names} <= run.rules.keys()
    assert {path.name for path in (directory / TOKENIZER / "exports").iterdir()} == names
    assert call_snakemake(directory, "-n", "--configfile", TINY, config, "--", "all").finds_all_made
    changed = overlay(directory / "changed.yaml", {"exports": {"minionerec": {"history": 3}}})
    plan = call_snakemake(directory, "-n", "--configfile", TINY, config, changed, "--", "all")
    assert plan.rules == {"all": 1, "export_minionerec": 1}


def test_an_export_holds_the_ids_and_histories_of_the_run(exported: tuple[Path, Path, Run]) -> None:
    directory = exported[0]
    codes = read_semantic_ids(directory / TOKENIZER / "items.parquet")
    folder = directory / TOKENIZER / "exports/lcrec"
    index, inters = (json.loads((folder / f"ds.{kind}.json").read_text()) for kind in ("index", "inter"))
    assert [index[str(number)] for number in range(len(codes))] == [[f"<a_{a}>", f"<b_{b}>"] for a, b in codes]
    data = directory / "data/tiny"
    items = [
        row for split in ("train", "valid", "test") for row in pq.read_table(data / f"{split}.parquet").to_pylist()
    ]
    histories: dict[str, list[int]] = {}
    for row in items:
        histories.setdefault(row["user_id"], []).append(row["item_index"])
    assert list(inters.values()) == [history for history in histories.values() if len(history) >= 3]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["dataset"], manifest["tokenizer"]) == ("tiny", "rqkmeans_2x16")
    assert manifest["codes_of_levels"] == [16, 16]
    with next((directory / TOKENIZER / "exports/minionerec/test").iterdir()).open(newline="") as file:
        assert len(list(csv.DictReader(file))) == pq.read_metadata(data / "test.parquet").num_rows


def test_a_folder_is_refused_with_what_can_be_asked_for(tmp_path: Path) -> None:
    run = call_snakemake(tmp_path, "-n", "--configfile", TINY, "--", f"{TOKENIZER}/exports/hf")
    assert not run.ok
    assert "is a folder, and what can be asked for are files" in run.text
    assert "exports/<format>/manifest.json" in run.text
