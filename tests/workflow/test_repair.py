"""One item an ID, through the workflow."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from snake import TINY, Run, call_snakemake, overlay

from semid.semantic_ids import read_semantic_ids

FILES = ("items.parquet", "scorecard.json", "offline_eval.csv")
SMALL = {"dim": 16, "layers": 1, "epochs": 1, "negatives": 16}


def test_repaired_codes_are_used_wherever_native_ones_are(tiny_run: tuple[Path, Run], tmp_path: Path) -> None:
    directory = tmp_path / "work"
    shutil.copytree(tiny_run[0], directory)
    config = overlay(tmp_path / "small.yaml", {"generators": {"generator-tiny": SMALL}})
    names = ("rqkmeans_2x16/repair-suffix", "rqkmeans_2x16/repair-assign", "vqvae_32/repair-suffix")
    folders = {name: directory / "results/tiny" / name for name in names}
    targets = [f"results/tiny/{name}/{file}" for name in names for file in FILES]
    targets += [f"results/tiny/{name}/generator-tiny/generative_eval.csv" for name in names[:2]]
    run = call_snakemake(directory, "--configfile", TINY, config, "--", *targets)
    assert run.ok, run.text
    assert {"repair": 3, "export": 3, "score": 3, "evaluate": 3, "evaluate_generator": 2}.items() <= run.rules.items()
    assert not {"encode", "train_rqkmeans", "train_vqvae", "embed_items", "configure"} & run.rules.keys()

    for name, folder in folders.items():
        native = read_semantic_ids(folder.parent / "items.parquet")
        codes = read_semantic_ids(folder / "items.parquet")
        assert len(np.unique(codes, axis=0)) == len(codes) > len(np.unique(native, axis=0))
        report = json.loads((folder / "repair.json").read_text())
        rows = pq.read_table(folder / "repair.parquet").to_pylist()
        assert len(rows) == report["known_minimum"] == len(native) - len(np.unique(native, axis=0))
        assert report["items_sharing_after"] == 0
        ids = pq.read_table(folder / "items.parquet")["item_id"].to_pylist()
        changed = (native != codes[:, : native.shape[1]]).any(axis=1) | (codes[:, native.shape[1] :] > 0).any(axis=1)
        assert {row["item_id"] for row in rows} == {ids[row] for row in np.flatnonzero(changed)}
        card = json.loads((folder / "scorecard.json").read_text())
        assert (card["tokenizer"], card["items_in_collisions"], card["unique_codes"]) == (name, 0, 1)
        assert card["num_levels"] == codes.shape[1] == report["num_levels"]
        manifest = json.loads((folder / "manifest.json").read_text())
        assert manifest["settings"]["repair"] == name.rpartition("-")[2]
        assert {"encode", "repair", "export"} <= manifest["code"]["stages"].keys()
        for table in ("offline_eval.csv", *["generator-tiny/generative_eval.csv"] * (name in names[:2])):
            with (folder / table).open(encoding="utf-8") as file:
                assert {row["tokenizer"] for row in csv.DictReader(file)} == {name}
    # a suffix decodes to nothing
    cards = [
        json.loads((directory / "results/tiny" / place / "scorecard.json").read_text())
        for place in ("vqvae_32", "vqvae_32/repair-suffix")
    ]
    assert cards[0]["reconstruction"] == cards[1]["reconstruction"]


def test_a_grown_catalogue_keeps_the_ids_that_were_repaired(tiny_run: tuple[Path, Run], tmp_path: Path) -> None:
    directory = tmp_path / "work"
    shutil.copytree(tiny_run[0], directory)
    name = "rqkmeans_2x16/repair-suffix"
    run = call_snakemake(directory, "--configfile", TINY, "--", f"results/tiny/{name}/items.parquet")
    assert run.ok, run.text
    shutil.copytree(directory / "results/tiny/rqkmeans_2x16", directory / "frozen")
    table = directory / "results/tiny" / name / "items.parquet"
    before = pq.read_table(table).to_pylist()
    # all items that preprocessing keeps are known, and those that the k-core drops are new
    change = {"datasets": {"tiny": {"preprocess": {"catalogue": "all"}, "load": {"rqkmeans_2x16": "frozen"}}}}
    grown = overlay(tmp_path / "grown.yaml", change)
    run = call_snakemake(directory, "--configfile", TINY, grown, "--", f"results/tiny/{name}/items.parquet")
    assert run.ok, run.text
    after = {
        row["item_id"]: row for row in pq.read_table(directory / "results/tiny" / name / "items.parquet").to_pylist()
    }
    assert len(after) > len(before)
    assert [after[row["item_id"]] for row in before] == before
    assert len({row["code_str"] for row in after.values()}) == len(after)
    report = json.loads((directory / "results/tiny" / name / "repair.json").read_text())
    assert report["pinned"] == len(before)


def test_what_cannot_be_repaired_is_said_before_anything_runs(tmp_path: Path) -> None:
    for name, words in {
        "vqvae_32/repair-assign": "no prefix under which another code would be near: ask for vqvae_32/repair-suffix",
        "rqkmeans_2x16/repair-other": "'rqkmeans_2x16/repair-other' is no tokenizer name",
    }.items():
        run = call_snakemake(tmp_path, "-n", "--configfile", TINY, "--", f"results/tiny/{name}/items.parquet")
        assert not run.ok
        assert words in run.text
        assert "Traceback" not in run.text
