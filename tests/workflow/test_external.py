"""Semantic IDs that no vectors made, through the workflow."""

import csv
import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import yaml
from snake import TINY, Run, call_snakemake, overlay

from semid.quantizers import Decoder, ExternalCodes
from semid.semantic_ids import read_semantic_ids
from semid.semantic_ids.category_codes import CategoryCodes
from semid.semantic_ids.dealt_codes import DealtCodes

HERE = Path(__file__).parent
NAME = "external_minionerec"


def test_the_published_ids_of_minionerec_beside_ours(tmp_path: Path, shared_data: Path) -> None:
    given = shared_data / "amazon2018-industrial"
    config = yaml.safe_load((HERE / "industrial.yaml").read_text())
    industrial = config["datasets"]["industrial"]
    # as numbers, which item2id turns into the ids of the dataset again
    with gzip.open(given / "items.jsonl.gz", "rt", encoding="utf-8") as file:
        items = [json.loads(line) for line in file]
    (tmp_path / "ids.txt").write_text("".join(f"{item['item_id']}\n" for item in items))
    (tmp_path / "Industrial.item2id").write_text("".join(f"{item['item_id']}\t{item['item_id']}\n" for item in items))
    codes = str(given / "original/index.json.gz")
    industrial |= {
        "interactions": str(given / "interactions.csv.gz"),
        "items": str(given / "items.jsonl.gz"),
        "embeddings": {"vectors": str(given / "embeddings_minilm_f16.npy"), "ids": "ids.txt"},
        "external": {"minionerec": {"codes": codes}, "numbered": {"codes": codes, "item2id": "Industrial.item2id"}},
        "shards": 2,
    }
    config["run"] |= {"tokenizers": [NAME], "seeds": [0, 1]}
    configs = ("--configfile", overlay(tmp_path / "given.yaml", config))
    folder = Path("results/industrial") / NAME
    numbered = "results/industrial/external_numbered/items.parquet"
    targets = [folder / "items.parquet", folder / "model.safetensors", numbered]
    run = call_snakemake(tmp_path, *configs, "--", *targets)
    assert run.ok, run.text
    assert not {"encode", "train_rqkmeans", "train_rqvae", "train_vqvae"} & run.rules.keys()

    table = pq.read_table(tmp_path / folder / "items.parquet")
    published = {str(item["item_id"]): item["minionerec_sid"] for item in items}
    rows = table.to_pylist()
    assert {row["item_id"]: [f"<a_{row['c1']}>", f"<b_{row['c2']}>", f"<c_{row['c3']}>"] for row in rows} == published
    assert table.equals(pq.read_table(tmp_path / numbered))

    tokenizer = Decoder.from_pretrained(tmp_path / folder)
    assert isinstance(tokenizer, ExternalCodes)
    assert (tokenizer.num_levels, tokenizer.codebook_size) == (3, 256)
    found = np.array([[row["c1"], row["c2"], row["c3"]] for row in rows])
    row_of_id = {str(item["item_id"]): row for row, item in enumerate(items)}
    vectors = np.load(given / "embeddings_minilm_f16.npy").astype(np.float32)
    vectors = vectors[[row_of_id[row["item_id"]] for row in rows]]
    in_train = pq.read_table(tmp_path / "data/industrial/items.parquet")["in_train"].to_numpy()
    assert 0 < in_train.sum() < len(in_train)
    code = np.bincount(found[:, 0]).argmax()
    of_code = vectors[in_train & (found[:, 0] == code)]
    np.testing.assert_allclose(tokenizer.codebooks_[0, code], of_code.mean(axis=0), atol=1e-5)
    lost = np.square(vectors - tokenizer.decode(found)).sum(axis=1).mean()
    assert lost < 0.7 * np.square(vectors - vectors.mean(axis=0)).sum(axis=1).mean()

    # codes have no seed, and every dataset of a run needs them
    plan = call_snakemake(tmp_path, "-n", *configs, "--", "results/tokenizers.csv")
    assert plan.rules["score"] == 1


def test_ids_dealt_at_random_and_those_of_categories_are_tokenizers(tiny_run: tuple[Path, Run], tmp_path: Path) -> None:
    directory = tmp_path / "work"
    shutil.copytree(tiny_run[0], directory)
    config = overlay(tmp_path / "controls.yaml", {"run": {"tokenizers": ["random_2x16-s1", "category"]}})
    files = ("items.parquet", "scorecard.json", "offline_eval.csv")
    folders = {name: directory / "results/tiny" / name for name in ("random_2x16-s1", "category")}
    targets = [f"results/tiny/{name}/{file}" for name in folders for file in files]
    run = call_snakemake(directory, "--configfile", TINY, config, "--", *targets)
    assert run.ok, run.text
    expected = {"deal_codes": 2, "number_codes": 2, "fit_external": 2, "export": 2, "score": 2, "evaluate": 2}
    assert expected.items() <= run.rules.items()
    assert not {"encode", "train_rqkmeans", "embed_items"} & run.rules.keys()

    items = directory / "data/tiny/items.parquet"
    ids = pq.read_table(items)["item_id"].to_pylist()
    codes = {name: read_semantic_ids(folder / "items.parquet") for name, folder in folders.items()}
    dealt = DealtCodes(num_levels=2, codebook_size=16, seed=1).of_items(ids)
    np.testing.assert_array_equal(codes["random_2x16-s1"], dealt)
    numbered = CategoryCodes().of_items(items)
    np.testing.assert_array_equal(codes["category"], numbered)

    sizes = {name: Decoder.from_pretrained(folder).sizes for name, folder in folders.items()}
    assert sizes == {"random_2x16-s1": (16, 16), "category": tuple(numbered.max(axis=0) + 1)}
    for name, folder in folders.items():
        card = json.loads((folder / "scorecard.json").read_text())
        assert card["distinct_codes"] == len(np.unique(codes[name], axis=0))
        assert card["items_in_collisions"] > 0
    assert json.loads((folders["random_2x16-s1"] / "manifest.json").read_text())["seeds"]["random.seed"] == 1

    # the controls search the same paths of categories, by other numbers
    found, control = (
        {
            row["candidates"].removeprefix("category:"): [row[key] for key in ("avg_cand_size", "recall@10", "ndcg@10")]
            for row in csv.DictReader((directory / "results/tiny" / name / "offline_eval.csv").open(encoding="utf-8"))
            if row["candidates"].removeprefix("category:") in ("exact", "prefix") and row["rerank"] == "exact"
        }
        for name in ("category", "controls")
    )
    assert found == control
    assert found.keys() == {"exact", "prefix"}


def test_codes_that_are_not_there_are_named_before_anything_runs(tmp_path: Path) -> None:
    config = overlay(tmp_path / "change.yaml", {"datasets": {"tiny": {"external": {"other": {"codes": "gone.csv"}}}}})
    target = "results/tiny/external_other/items.parquet"
    run = call_snakemake(tmp_path, "-n", "--configfile", TINY, config, "--", target)
    assert not run.ok
    assert "gone.csv" in run.text
