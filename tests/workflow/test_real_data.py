"""Amazon Beauty and Industrial through the whole workflow, from the embeddings given with them."""

import csv
import gzip
import json
from pathlib import Path

import pytest
import yaml
from snake import call_snakemake, overlay

HERE = Path(__file__).parent


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


def recalls(directory: Path) -> dict[tuple[str, str, str], dict[str, str]]:
    with (directory / "results/offline_eval.csv").open(newline="") as file:
        return {(row["dataset"], row["tokenizer"], row["candidates"]): row for row in csv.DictReader(file)}


def test_beauty(tmp_path: Path, shared_data: Path) -> None:
    directory = working_directory(tmp_path, shared_data, "amazon2014-beauty")
    given = {"embeddings": given_embeddings("amazon2014-beauty")}
    fast = overlay(
        tmp_path / "given.yaml",
        {"datasets": {"beauty": given, "beauty_shuffled": given}, "run": {"tokenizers": ["rqkmeans_4x256"]}},
    )
    targets = ["results/offline_eval.csv", "results/beauty/vqvae_4096/offline_eval.csv"]
    run = call_snakemake(directory, "--configfile", HERE / "beauty.yaml", fast, "--", *targets)
    assert run.ok, run.text
    rows = recalls(directory)
    whole = float(rows["beauty", "controls", "all"]["recall@10"])
    assert rows["beauty", "controls", "all"]["users"] == "22332"
    assert whole >= 0.055
    assert float(rows["beauty_shuffled", "controls", "all"]["recall@10"]) >= 0.047
    assert float(rows["beauty", "controls", "popularity"]["recall@10"]) == pytest.approx(0.011, abs=0.001)
    with (directory / targets[1]).open(newline="") as file:
        exact = next(row for row in csv.DictReader(file) if row["candidates"] == "exact")
    assert float(exact["recall@10"]) >= 0.75 * whole
    assert float(exact["avg_cand_size"]) < 60


def test_industrial(tmp_path: Path, shared_data: Path) -> None:
    directory = working_directory(tmp_path, shared_data, "amazon2018-industrial")
    config = yaml.safe_load((HERE / "industrial.yaml").read_text())
    config["datasets"]["industrial"]["embeddings"] = given_embeddings("amazon2018-industrial")
    config["run"]["tokenizers"] = ["rqvae_4x256", "vqvae_1024"]
    configs = ("--configfile", overlay(tmp_path / "given.yaml", config))
    run = call_snakemake(directory, *configs, "--", "results/offline_eval.csv")
    assert run.ok, run.text
    stats = json.loads((directory / "data/industrial/stats.json").read_text())
    assert stats["items"]["rows"] == 3_686
    assert stats["timestamp_unit"] == "position"
    rows = recalls(directory)
    whole = float(rows["industrial", "controls", "all"]["recall@10"])
    assert whole > 2 * float(rows["industrial", "controls", "popularity"]["recall@10"])
    assert float(rows["industrial", "vqvae_1024", "exact"]["recall@10"]) > 0.5 * whole
    refused = call_snakemake(directory, *configs, "--", "results/industrial/vqvae_4096/items.parquet")
    assert not refused.ok
    assert "a codebook of 4096 codes needs at least as many training rows" in refused.text
