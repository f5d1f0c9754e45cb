"""Amazon Beauty and Industrial through the whole workflow, from the embeddings given with them."""

import csv
import gzip
import json
from pathlib import Path

import pytest
import yaml
from snake import call_snakemake, overlay

HERE = Path(__file__).parent
# pytest's workers take all cores: more threads would wait for each other
ONE_THREAD = {"threads": 1, "training_threads": 1}


def working_directory(tmp_path: Path, shared_data: Path, dataset: str) -> Path:
    """A directory from which ../shared/data is the real data; with the ids of the given embeddings as ids.txt."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/data").symlink_to(shared_data.resolve())
    directory = tmp_path / "work"
    directory.mkdir()
    with gzip.open(shared_data / dataset / "items.jsonl.gz", "rt", encoding="utf-8") as file:
        ids = [str(json.loads(line)["item_id"]) for line in file]
    (directory / "ids.txt").write_text("\n".join(ids) + "\n")
    return directory


def given_embeddings(dataset: str) -> dict[str, str]:
    return {"vectors": f"../shared/data/{dataset}/embeddings_minilm_f16.npy", "ids": "ids.txt"}


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_beauty_reaches_its_known_recall(tmp_path: Path, shared_data: Path) -> None:
    directory = working_directory(tmp_path, shared_data, "amazon2014-beauty")
    given = {"embeddings": given_embeddings("amazon2014-beauty")}
    change = {
        "datasets": {"beauty": given, "beauty_shuffled": given},
        # quality/test_quality_bars.py: one epoch keeps the k-means start
        "tokenizers": {"vqvae": {"epochs": 1}},
        "evaluation": {"candidates": ["exact"], "resamples": 20},
        "compute": ONE_THREAD,
    }
    configs = ("--configfile", HERE / "beauty.yaml", overlay(tmp_path / "given.yaml", change))
    targets = ["beauty/controls", "beauty_shuffled/controls", "beauty/vqvae_4096"]
    targets = [f"results/{target}/offline_eval.csv" for target in targets]
    run = call_snakemake(directory, *configs, "--", *targets)
    assert run.ok, run.text
    controls, (shuffled, *_), (exact, *_) = (read_csv(directory / target) for target in targets)
    whole, popularity, cooccurrence = controls
    assert whole["users"] == "22332"
    assert float(whole["recall@10"]) >= 0.055
    assert float(shuffled["recall@10"]) >= 0.047
    assert float(popularity["recall@10"]) == pytest.approx(0.011, abs=0.001)
    assert cooccurrence["candidates"] == "cooccurrence"
    assert float(cooccurrence["recall@10"]) == pytest.approx(0.0625, abs=0.001)
    assert exact["candidates"] == "exact"
    assert float(exact["recall@10"]) >= 0.75 * float(whole["recall@10"])
    assert float(exact["avg_cand_size"]) < 60


def test_industrial_is_ordered_by_position_and_beats_popularity(tmp_path: Path, shared_data: Path) -> None:
    directory = working_directory(tmp_path, shared_data, "amazon2018-industrial")
    config = yaml.safe_load((HERE / "industrial.yaml").read_text())
    config["datasets"]["industrial"]["embeddings"] = given_embeddings("amazon2018-industrial")
    config["run"]["tokenizers"] = ["rqvae_4x256", "vqvae_1024"]
    config["tokenizers"] = {"rqvae": {"epochs": 1}, "vqvae": {"epochs": 1}}
    config["evaluation"] = {"candidates": ["exact", "prefix"], "resamples": 20}
    config["compute"] = ONE_THREAD
    configs = ("--configfile", overlay(tmp_path / "given.yaml", config))
    run = call_snakemake(directory, *configs, "--", "results/offline_eval.csv")
    assert run.ok, run.text
    stats = json.loads((directory / "data/industrial/stats.json").read_text())
    assert stats["items"]["rows"] == 3_686
    assert stats["timestamp_unit"] == "position"
    rows = read_csv(directory / "results/offline_eval.csv")
    recall = {(row["tokenizer"], row["candidates"]): float(row["recall@10"]) for row in rows}
    assert recall["controls", "all"] > 2 * recall["controls", "popularity"]
    assert recall["vqvae_1024", "exact"] > 0.5 * recall["controls", "all"]
    assert recall["rqvae_4x256", "prefix"] > 0.5 * recall["controls", "all"]
    refused = call_snakemake(directory, *configs, "--", "results/industrial/vqvae_4096/items.parquet")
    assert not refused.ok
    assert "a codebook of 4096 codes needs at least as many training rows" in refused.text
