"""Real data give the same metrics in one shard and in five."""

from pathlib import Path

import pytest
import yaml
from snake import call_snakemake, overlay
from stages import differs
from test_real_data import HERE, ONE_THREAD, given_embeddings, working_directory

TOKENIZER = "rqkmeans_4x256"


@pytest.mark.parametrize(
    ("dataset", "folder", "faiss"),
    [("beauty", "amazon2014-beauty", False), ("industrial", "amazon2018-industrial", {"enabled": True})],
)
def test_one_shard_and_five_give_the_same(
    dataset: str, folder: str, faiss: bool | dict[str, bool], shared_data: Path, tmp_path: Path
) -> None:
    (tmp_path / "whole").mkdir()
    outputs = [f"results/{dataset}/{name}" for name in (f"{TOKENIZER}/items.parquet", f"{TOKENIZER}/offline_eval.csv")]
    outputs.append(f"results/{dataset}/controls/offline_eval.csv")
    directory = working_directory(tmp_path, shared_data, folder)
    for shards in (1, 5):
        config = yaml.safe_load((HERE / f"{dataset}.yaml").read_text())
        config["datasets"][dataset] |= {"embeddings": given_embeddings(folder), "shards": shards}
        config["faiss"] = faiss
        config["tokenizers"] = {"rqkmeans": {"kmeans_iters": 3}}
        config["evaluation"] = {"max_users": 2000, "resamples": 20, "budgets": [100]}
        config["compute"] = ONE_THREAD
        run = call_snakemake(directory, "--configfile", overlay(directory / "given.yaml", config), "--", *outputs)
        assert run.ok, run.text
        assert run.rules["encode"] == shards
        assert run.rules.get("fill_faiss", 0) == (shards if faiss else 0)
        # the second run finds the splits of the first, of which there are no shards
        assert run.rules.get("preprocess", 0) == (shards == 1)
        if shards == 1:
            (directory / "results").rename(tmp_path / "whole/results")
    assert not [output for output in outputs if differs(output, tmp_path / "whole", directory)]
