"""One's own tables, vectors and frozen tokenizers."""

import csv
import gzip
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from snake import TINY, Run, call_snakemake, overlay


def test_vectors_and_ids_alone_give_semantic_ids(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
    ids = [f"sku-{number}" for number in range(60)]
    np.save(tmp_path / "vectors.npy", vectors)
    (tmp_path / "ids.txt").write_text("\n".join(reversed(ids)) + "\n")
    config = overlay(
        tmp_path / "mine.yaml",
        {
            "run": {"datasets": ["mine"], "tokenizers": ["rqkmeans_2x8"]},
            "datasets": {"mine": {"source": "table", "embeddings": {"vectors": "vectors.npy", "ids": "ids.txt"}}},
        },
    )
    run = call_snakemake(tmp_path, "--configfile", config)
    assert run.ok, run.text
    table = pq.read_table(tmp_path / "results/mine/rqkmeans_2x8/items.parquet")
    assert sorted(table["item_id"].to_pylist()) == sorted(ids)
    card = json.loads((tmp_path / "results/mine/rqkmeans_2x8/scorecard.json").read_text())
    assert card["items"] == card["train_items"] == 60
    assert not (tmp_path / "results/offline_eval.csv").exists()

    for target, words in (
        ("results/mine/rqkmeans_2x8/offline_eval.csv", "dataset 'mine' has no interactions"),
        ("results/offline_eval.csv", "none of the datasets mine has interactions"),
    ):
        refused = call_snakemake(tmp_path, "-n", "--configfile", config, "--", target)
        assert not refused.ok
        assert words in refused.text


def test_a_frozen_tokenizer_encodes_a_grown_catalogue(tiny_run: tuple[Path, Run], tmp_path: Path) -> None:
    trained = tmp_path / "trained"
    shutil.copytree(tiny_run[0] / "results/tiny/rqkmeans_2x16", trained / "rqkmeans_2x16")
    known = pq.read_table(tiny_run[0] / "data/tiny/items.parquet", columns=["item_id", "title"])
    new = pa.table({"item_id": ["!first", "~last"], "title": ["Cast Iron Skillet", "Yoga Mat"]})
    pq.write_table(pa.concat_tables([known, new]), tmp_path / "grown.parquet")
    grown = {"source": "table", "items": "grown.parquet", "embeddings": {"model": "hashing", "dim": 48}}
    config = overlay(
        tmp_path / "grown.yaml",
        {
            "run": {"datasets": ["grown"], "tokenizers": ["rqkmeans_2x16"]},
            "datasets": {"grown": {**grown, "load": {"rqkmeans_2x16": str(trained / "rqkmeans_2x16")}}},
        },
    )
    table = "results/grown/rqkmeans_2x16/items.parquet"
    run = call_snakemake(tmp_path, "--configfile", config, "--", table)
    assert run.ok, run.text
    assert "train_rqkmeans" not in run.text

    def codes(path: Path) -> dict[str, str]:
        rows = pq.read_table(path)
        return dict(zip(rows["item_id"].to_pylist(), rows["code_str"].to_pylist(), strict=True))

    before, after = codes(tiny_run[0] / "results/tiny/rqkmeans_2x16/items.parquet"), codes(tmp_path / table)
    assert {item: after[item] for item in before} == before
    assert after.keys() - before.keys() == {"!first", "~last"}


@pytest.fixture(scope="module")
def grown_config(tiny_run: tuple[Path, Run], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with the tiny run in it, and a config that has a tenth more items and the tokenizer of that run."""
    folder = tmp_path_factory.mktemp("grown") / "work"
    shutil.copytree(tiny_run[0], folder)
    exported = "results/tiny/rqkmeans_2x16/repair-suffix/exports/grid/manifest.json"
    run = call_snakemake(folder, "--configfile", TINY, "--", exported)
    assert run.ok, run.text
    known = pq.read_table(folder / "data/tiny/items.parquet", columns=["item_id", "title"])
    rows = range(len(known) // 10)
    new = pa.table({"item_id": [f"new-{row}" for row in rows], "title": [f"Cast Iron Skillet {row}" for row in rows]})
    pq.write_table(pa.concat_tables([new, known]), folder / "grown.parquet")
    grown = {"source": "table", "items": "grown.parquet", "embeddings": {"model": "hashing", "dim": 48}}
    load = {"rqkmeans_2x16": "results/tiny/rqkmeans_2x16"}
    run = {"datasets": ["grown"], "tokenizers": ["rqkmeans_2x16"], "repair": "suffix"}
    return folder, overlay(folder / "grown.yaml", {"run": run, "datasets": {"grown": {**grown, "load": load}}})


def read_table_of_ids(path: Path) -> dict[str, str]:
    rows = pq.read_table(path)
    return dict(zip(rows["item_id"].to_pylist(), rows["code_str"].to_pylist(), strict=True))


def read_grid(folder: Path) -> dict[str, str]:
    matrix = np.load(next(folder.glob("*.npy")))
    items = [line.split("\t") for line in (folder / "item2id.tsv").read_text().splitlines()]
    return {item: "-".join(map(str, matrix[:, int(number)])) for item, number in items}


def same_ids(folder: Path, path: str, read: Callable[[Path], dict[str, str]]) -> bool:
    """Whether all items of yesterday have the IDs of yesterday, and new ones have some too."""
    before, after = (read(folder / "results" / dataset / path) for dataset in ("tiny", "grown"))
    return len(before) < len(after) and before.items() <= after.items()


def test_a_tokenizer_in_results_is_a_source_and_stays(grown_config: tuple[Path, Path]) -> None:
    folder, config = grown_config
    # its dataset is not in this config
    exported = "results/grown/rqkmeans_2x16/repair-suffix/exports/grid/manifest.json"
    run = call_snakemake(folder, "--configfile", config, "--", "all", exported)
    assert run.ok, run.text
    assert not {rule for rule in run.rules if rule.startswith("train_") or rule == "configure"}
    made = {"drift": 1, "repair": 1, "export_grid": 1, "export": 2, "encode": 1}
    assert made.items() <= run.rules.items()
    rows = list(csv.DictReader((folder / "results/grown/rqkmeans_2x16/drift.csv").open()))
    assert rows[0]["figure"] == "items"
    assert int(rows[0]["new"]) == int(rows[0]["old"]) // 10
    assert rows[-1]["verdict"].startswith(("keep", "train"))
    # the same items have the same IDs: encoded, repaired and exported
    assert same_ids(folder, "rqkmeans_2x16/items.parquet", read_table_of_ids)
    assert same_ids(folder, "rqkmeans_2x16/repair-suffix/items.parquet", read_table_of_ids)
    assert same_ids(folder, "rqkmeans_2x16/repair-suffix/exports/grid", read_grid)
    manifest = json.loads((folder / "results/grown/rqkmeans_2x16/manifest.json").read_text())
    model = folder / "results/tiny/rqkmeans_2x16/model.safetensors"
    assert manifest["loaded"][0]["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert manifest["loaded"][1]["file"].endswith("config.json")


def test_a_touch_of_what_is_loaded_trains_nothing_and_another_content_encodes_anew(
    grown_config: tuple[Path, Path],
) -> None:
    folder, config = grown_config
    assert call_snakemake(folder, "--configfile", config).ok
    yesterday = folder / "results/tiny/rqkmeans_2x16"
    for path in [*yesterday.iterdir(), *(folder / "data/tiny").iterdir()]:
        path.touch()
    # alone, and beside the dataset whose tokenizer is loaded
    plan = call_snakemake(folder, "-n", "--configfile", config)
    assert plan.ok, plan.text
    assert plan.rules.keys() <= {"all", "drift"}
    both = ("results/tiny/rqkmeans_2x16/items.parquet", "results/grown/rqkmeans_2x16/items.parquet")
    plan = call_snakemake(folder, "-n", "--configfile", TINY, config, "--", *both)
    assert plan.ok, plan.text
    assert not {rule for rule in plan.rules if rule.startswith("train_") or rule == "configure"}
    # the same tokenizer, but for how it encodes
    text = (yesterday / "config.json").read_text()
    (yesterday / "config.json").write_text(text.replace('"beam": 1', '"beam": 2'))
    try:
        plan = call_snakemake(folder, "-n", "--configfile", config)
        assert plan.rules["encode"] == 1
        assert not {rule for rule in plan.rules if rule.startswith("train_") or rule == "configure"}
    finally:
        (yesterday / "config.json").write_text(text)


def test_what_is_loaded_has_to_be_there(grown_config: tuple[Path, Path], tmp_path: Path) -> None:
    _, config = grown_config
    shutil.copy(config.parent / "grown.parquet", tmp_path)
    run = call_snakemake(
        tmp_path, "-n", "--configfile", TINY, config, "--", "results/grown/rqkmeans_2x16/items.parquet"
    )
    assert not run.ok
    assert "where there is no model.safetensors: a run makes nothing that it loads" in run.text
    # and it can be made before
    run = call_snakemake(tmp_path, "-n", "--configfile", TINY, config, "--", "results/tiny/rqkmeans_2x16/items.parquet")
    assert run.ok, run.text
    assert run.rules["train_rqkmeans"] == 1


def test_a_tokenizer_that_is_trained_anew_keeps_the_numbers_of_codes(grown_config: tuple[Path, Path]) -> None:
    folder, config = grown_config
    change = {"datasets": {"grown": {"load": None, "align": {"rqkmeans_2x16": "results/tiny/rqkmeans_2x16"}}}}
    shutil.copytree(folder / "results/grown", folder / "kept")
    aligned = overlay(folder / "aligned.yaml", change)
    run = call_snakemake(folder, "--configfile", config, aligned, "--", "results/grown/rqkmeans_2x16/churn.csv")
    assert run.ok, run.text
    assert run.rules["train_rqkmeans"] == run.rules["churn"] == 1
    rows = list(csv.DictReader((folder / "results/grown/rqkmeans_2x16/churn.csv").open()))
    assert [row["level"] for row in rows] == ["1", "2", "all"]
    assert float(rows[0]["after"]) < float(rows[0]["before"])
    (folder / "results/tiny/rqkmeans_2x16/items.parquet").touch()
    target = "results/grown/rqkmeans_2x16/model.safetensors"
    plan = call_snakemake(folder, "-n", "--configfile", config, aligned, "--", target)
    assert plan.finds_all_made, plan.text
    shutil.rmtree(folder / "results/grown")
    (folder / "kept").rename(folder / "results/grown")


def test_local_files_of_the_2023_release_go_the_way_of_the_sample(tiny_run: tuple[Path, Run], tmp_path: Path) -> None:
    raw = tiny_run[0] / "data/raw/tiny"
    with gzip.open(raw / "reviews.jsonl.gz") as file:
        (tmp_path / "reviews.jsonl").write_bytes(file.read())
    category = {"source": "amazon2023", "reviews": ["reviews.jsonl"], "meta": str(raw / "meta.jsonl.gz")}
    config = overlay(tmp_path / "raw.yaml", {"datasets": {"category": {**category, "preprocess": {"k_core": 3}}}})
    run = call_snakemake(tmp_path, "--configfile", config, "--", "data/category/items.parquet")
    assert run.ok, run.text
    for name in ("items", "train", "valid", "test"):
        found = (tmp_path / f"data/category/{name}.parquet").read_bytes()
        assert found == (tiny_run[0] / f"data/tiny/{name}.parquet").read_bytes()
    assert json.loads((tmp_path / "data/category/stats.json").read_text())["note"] == ""


def test_other_weights_in_a_local_folder_are_another_input(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"")
    local = {"source": "sample", "embeddings": {"model": str(folder)}}
    config = overlay(tmp_path / "local.yaml", {"datasets": {"local": local}})
    part = "results/local/embeddings/part-00000-of-00001.npy"
    plan = call_snakemake(tmp_path, "-n", "--configfile", config, "--", part)
    assert f"{folder}/model.safetensors" in plan.text


def test_a_truncated_file_ends_in_one_message_and_no_output(tmp_path: Path) -> None:
    rows = "".join(f"u{n % 50},i{n % 37},{1_500_000_000 + n}\n" for n in range(5_000))
    whole = gzip.compress(f"user_id,item_id,timestamp\n{rows}".encode())
    (tmp_path / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    config = overlay(
        tmp_path / "cut.yaml",
        {"datasets": {"cut": {"source": "table", "interactions": "cut.csv.gz", "timestamp_unit": "seconds"}}},
    )
    run = call_snakemake(tmp_path, "--configfile", config, "--", "data/cut/items.parquet")
    assert not run.ok
    log = (tmp_path / "logs/cut/read_interactions-00000.log").read_text()
    last = log.strip().splitlines()[-1]
    assert "error: " in last
    assert "cut.csv.gz" in last
    assert last in run.text
    assert "Traceback" not in log
    assert not list((tmp_path / "data/cut").glob("*"))


def test_config_overlays_work_by_either_option(tiny_run: tuple[Path, Run]) -> None:
    configs = ["--configfile", TINY, "--config", 'run={"tokenizers": ["vqvae_16"]}']
    plan = call_snakemake(tiny_run[0], "-n", *configs, "--", "results/tokenizers.csv")
    assert plan.ok, plan.text
    assert plan.rules["train_vqvae"] == 1
    assert plan.rules["score"] == 1
