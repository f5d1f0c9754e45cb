"""`catalogue: all | core`: whether items outside the k-core get IDs changes nothing for those inside.

A shop whose k-core leaves half of the items out goes through every stage twice.
"""

import csv
import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from semid.analysis.slices import SLICE_COLUMNS, write_slices
from semid.data import Outputs, PreprocessSettings, Table, preprocess
from semid.embeddings import (
    EmbeddingStore,
    HashingSettings,
    OwnVectors,
    embed_manifest,
    embed_shard,
    shard_range,
    write_first_of_identical,
)
from semid.errors import InputError
from semid.evaluation.controls import write_control_evaluation
from semid.evaluation.files import BenchmarkOptions, open_benchmark
from semid.evaluation.peers import write_peer_evaluation
from semid.evaluation.query_choice import write_query_choice
from semid.evaluation.table import collect_evaluations, read_table
from semid.evaluation.tokenizers import write_tokenizer_evaluation
from semid.items import CoreItems
from semid.naming import TokenizerName, part_name
from semid.pretrained import write_config
from semid.quantizers import Compute
from semid.retrieval import InvertedIndex, faiss_index
from semid.retrieval.build_index import index_semantic_ids
from semid.retrieval.faiss_build import CoreFiles, fill_from_store, train_on_store
from semid.retrieval.inverted import FIELDS
from semid.scorecard.card import Scorecard
from semid.scorecard.score import score_tokenizer
from semid.scorecard.table import collect_scorecards
from semid.semantic_ids import export_table
from semid.semantic_ids.encode import encode_shard
from semid.semantic_ids.external import import_codes
from semid.semantic_ids.train import TrainingFiles, train_tokenizer

ITEMS, USERS, SHARDS = 240, 90, 3
EMBEDDINGS = HashingSettings(dim=16, text="{title}")
TOKENIZERS: dict[str, dict[str, Any]] = {
    "rqkmeans_3x8": {},
    "rqvae_2x8": {"init": "rqkmeans", "codebook_dim": 0, "epochs": 2},
    "vqvae_8": {"epochs": 2},
}
EVALUATION = {"budgets": [5, 20], "resamples": 20, "min_candidates": 10, "rerank": ["exact", "decoded"]}
HAS_FAISS = importlib.util.find_spec("faiss") is not None


class Files(SimpleNamespace):
    def get(self, name: str) -> Any:
        return getattr(self, name, None)


def write_shop(folder: Path) -> Table:
    """Write a shop in which users meet every second item, and now and then one of the others, too rarely for the core.

    Half of the items have the title of the item before, so that core items share vectors with items outside.
    """
    random = np.random.default_rng(5)
    words = ["red", "blue", "iron", "oak", "small", "pan", "lamp", "desk", "rug", "cup"]
    items = []
    for number in range(ITEMS):
        title = " ".join(random.choice(words, 3)) if number % 4 != 1 else items[-1]["title"]
        categories = "|".join(["Home", words[number % 7], f"only {number}"][: number % 4])
        items.append({"item_id": f"sku-{number:03}", "title": title, "categories": categories})
    rows = []
    for user in range(USERS):
        bought = 2 * random.permutation(ITEMS // 2)[:12] + 1
        if user % 9 == 0:
            bought[4] = 2 * user
        rows += [
            {"user_id": f"u{user:02}", "item_id": f"sku-{item:03}", "timestamp": 1_500_000_000 + 60 * place}
            for place, item in enumerate(bought)
        ]
    for name, content in (("items", items), ("interactions", rows)):
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(content[0]))
            writer.writeheader()
            writer.writerows(content)
    return Table(
        interactions=folder / "interactions.csv",
        items=folder / "items.csv",
        timestamp_unit="seconds",
        categories_separator="|",
    )


class Shop:
    """The shop, preprocessed with a value of `catalogue`, embedded in shards, encoded, scored and evaluated."""

    def __init__(self, folder: Path, source: Table, catalogue: str) -> None:
        self.folder = folder
        names = ("items", "train", "valid", "test")
        self.data = Outputs(*(folder / f"{name}.parquet" for name in names), stats=folder / "stats.json")
        preprocess(source, PreprocessSettings(k_core=4, catalogue=catalogue), self.data)
        self.items = pq.read_table(self.data.items).to_pylist()
        parts = [folder / "embeddings" / part_name(shard, SHARDS) for shard in range(SHARDS)]
        for shard, part in enumerate(parts):
            part.parent.mkdir(exist_ok=True)
            embed_shard(self.data.items, shard, SHARDS, EMBEDDINGS, part)
        self.parts, self.manifest = parts, folder / "embeddings" / "manifest.json"
        embed_manifest(self.data.items, parts, EMBEDDINGS, self.manifest)
        write_first_of_identical(self.manifest, folder / "first.npy")

    @property
    def core_rows(self) -> np.ndarray:
        return np.flatnonzero([item["in_core"] for item in self.items])

    def files(self, **others: Any) -> Files:
        splits = [str(self.data.train), str(self.data.valid), str(self.data.test)]
        return Files(
            splits=splits,
            catalogue=str(self.data.items),
            manifest=str(self.manifest),
            representatives=str(self.folder / "first.npy"),
            **others,
        )

    def tokenize(self, name: str, arguments: dict[str, Any]) -> Path:
        """Train, encode, export, index and score a tokenizer."""
        folder = self.folder / name
        parsed = TokenizerName.parse(name)
        keeps_history = parsed.method != "rqkmeans"
        (folder / "codes").mkdir(parents=True)
        start = None
        if arguments.get("init") == "rqkmeans":
            start = self.folder / name.replace(parsed.method, "rqkmeans")
            train_tokenizer(
                "shop",
                start.name,
                {"num_levels": parsed.num_levels, "codebook_size": parsed.codebook_size, "seed": 0},
                TrainingFiles(self.manifest, self.data.items, start / "model.safetensors"),
                Compute(),
            )
            start = start / "model.safetensors"
        sizes: dict[str, Any] = {"codebook_size": parsed.codebook_size, "seed": 0}
        if parsed.method != "vqvae":
            sizes["num_levels"] = parsed.num_levels
        train_tokenizer(
            "shop",
            name,
            {**sizes, **{key: value for key, value in arguments.items() if key != "init"}},
            TrainingFiles(
                self.manifest,
                self.data.items,
                folder / "model.safetensors",
                start,
                folder / "training.csv" if keeps_history else None,
            ),
            Compute(),
        )
        write_config(folder / "model.safetensors", folder / "config.json", {})
        codes = [folder / "codes" / part.name for part in self.parts]
        for part, output in zip(self.parts, codes, strict=True):
            encode_shard(folder / "model.safetensors", name, part, self.manifest, output, Compute())
        export_table(self.data.items, codes, folder / "items.parquet", flat=parsed.method == "vqvae")
        index_semantic_ids(folder / "items.parquet", self.data.items, folder / "inverted" / "codes.npy")
        files = self.files(codes=codes, model=str(folder / "model.safetensors"), train=[str(self.data.train)])
        paths = SimpleNamespace(scorecard=folder / "scorecard.json", page=folder / "codebook.md")
        score_tokenizer("shop", name, files, paths)
        return folder

    def index(self, factory: str, on_disk: bool = False) -> Path:
        """Build the FAISS index in shards."""
        folder = self.folder / "faiss"
        folder.mkdir(exist_ok=True)
        files = CoreFiles(self.manifest, self.data.items)
        train_on_store(files, folder / "trained.index", factory, True, on_disk)
        parts = [folder / f"{shard}.index" for shard in range(SHARDS)]
        for shard, part in enumerate(parts):
            name = Path(part_name(shard, SHARDS)).stem.removeprefix("part-")
            fill_from_store(folder / "trained.index", files, name, part, True)
        faiss_index.merge_indexes(folder / "trained.index", parts, folder / "index.faiss", on_disk)
        return folder / "index.faiss"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return write_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory, source: Table) -> dict[str, Shop]:
    made = {}
    for catalogue in ("all", "core"):
        shop = made[catalogue] = Shop(tmp_path_factory.mktemp(catalogue), source, catalogue)
        for name, arguments in TOKENIZERS.items():
            shop.tokenize(name, arguments)
    return made


def paths_in(folder: Path) -> SimpleNamespace:
    folder.mkdir()
    names = {"table": "offline_eval.csv", "ranks": "ranks.parquet", "slices": "slices.csv"}
    return SimpleNamespace(**{key: folder / name for key, name in names.items()})


def without_time(path: Path) -> list[dict[str, str]]:
    return [{key: value for key, value in row.items() if key != "query_us"} for row in read_table(path)]


def assert_alike(folders: list[Path]) -> None:
    """Assert that tables, ranks and slices of two evaluations are equal, apart from times."""
    whole, core = folders
    assert without_time(whole / "offline_eval.csv") == without_time(core / "offline_eval.csv")
    assert pq.read_table(whole / "ranks.parquet").equals(pq.read_table(core / "ranks.parquet"))
    assert (whole / "slices.csv").read_bytes() == (core / "slices.csv").read_bytes()


def test_the_shop_is_what_the_tests_need(shops: dict[str, Shop]) -> None:
    whole, core = shops["all"], shops["core"]
    assert len(whole.items) == ITEMS
    assert 100 < len(core.items) == len(whole.core_rows) <= ITEMS // 2
    # a core item whose vector an item outside the core has first
    first = np.load(whole.folder / "first.npy")[whole.core_rows]
    assert not np.isin(first, whole.core_rows).all()


def test_items_outside_the_core_are_rows_and_nothing_else_changes(shops: dict[str, Shop]) -> None:
    whole, core = shops["all"], shops["core"]
    assert [item["item_index"] for item in whole.items] == list(range(ITEMS))
    assert [item["item_id"] for item in whole.items] == [f"sku-{number:03}" for number in range(ITEMS)]
    kept = [{**item, "item_index": 0} for item in whole.items if item["in_core"]]
    assert kept == [{**item, "item_index": 0} for item in core.items]
    assert not any(item["in_train"] for item in whole.items if not item["in_core"])
    for split in ("train", "valid", "test"):
        rows, same = (pq.read_table(getattr(shop.data, split)) for shop in (whole, core))
        assert rows.drop_columns("item_index").equals(same.drop_columns("item_index"))
        assert [whole.items[row]["item_id"] for row in rows["item_index"].to_pylist()] == rows["item_id"].to_pylist()


@pytest.mark.parametrize("name", TOKENIZERS)
def test_models_and_codes_of_core_items_are_the_same_bytes(shops: dict[str, Shop], name: str) -> None:
    whole, core = (shops[catalogue].folder / name for catalogue in ("all", "core"))
    for file in ("model.safetensors", "config.json"):
        assert (whole / file).read_bytes() == (core / file).read_bytes()
    rows, same = pq.read_table(whole / "items.parquet"), pq.read_table(core / "items.parquet")
    assert len(rows) == ITEMS
    assert rows.take(pa.array(shops["all"].core_rows)).equals(same)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_the_inverted_index_names_core_items_by_their_row(shops: dict[str, Shop], name: str) -> None:
    whole, core = (shops[catalogue].folder / name / "inverted" for catalogue in ("all", "core"))
    index = InvertedIndex.load(core)
    assert (np.load(whole / "items.npy") == shops["all"].core_rows[index.items]).all()
    numbered = InvertedIndex.load(whole, CoreItems.read(shops["all"].data.items))
    for field in FIELDS:
        assert (getattr(numbered, field) == getattr(index, field)).all()
    with pytest.raises(InputError, match="are not of one inverted index"):
        InvertedIndex.load(whole)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_the_evaluation_of_a_tokenizer_is_the_same(shops: dict[str, Shop], name: str, tmp_path: Path) -> None:
    folders = []
    for catalogue, shop in shops.items():
        folder = shop.folder / name
        paths = paths_in(tmp_path / catalogue)
        files = shop.files(index=[str(folder / "inverted" / "codes.npy")], model=str(folder / "model.safetensors"))
        evaluation = write_tokenizer_evaluation(name, files, BenchmarkOptions("shop", EVALUATION), paths)
        write_slices(evaluation, paths.slices)
        folders.append(tmp_path / catalogue)
    assert_alike(folders)
    rows = read_table(folders[0] / "offline_eval.csv")
    assert {"exact", "prefix", "probe", "random:probe"} <= {row["candidates"] for row in rows}
    assert any(float(row["recall@10"]) > 0 for row in rows)
    assert read_table(folders[0] / "slices.csv", SLICE_COLUMNS)


@pytest.mark.parametrize("factory", ["", *(["Flat", "SQfp16", "IVF4,Flat"] if HAS_FAISS else [])])
def test_the_evaluation_of_controls_is_the_same(shops: dict[str, Shop], factory: str, tmp_path: Path) -> None:
    folders = []
    for catalogue, shop in shops.items():
        files = shop.files(faiss=[str(shop.index(factory))] if factory else [])
        paths = paths_in(tmp_path / catalogue)
        evaluation = write_control_evaluation(files, BenchmarkOptions("shop", {"resamples": 20}, True), paths)
        write_slices(evaluation, paths.slices)
        folders.append(tmp_path / catalogue)
    assert_alike(folders)
    candidates = [row["candidates"] for row in read_table(folders[0] / "offline_eval.csv")]
    assert candidates == ["all", "popularity", "cooccurrence", "category:exact", "category:prefix"]


@pytest.mark.skipif(not HAS_FAISS, reason="faiss is not installed")
def test_peers_are_the_same(shops: dict[str, Shop], tmp_path: Path) -> None:
    tables = []
    for catalogue, shop in shops.items():
        path = tmp_path / f"{catalogue}.csv"
        write_peer_evaluation(shop.files(), BenchmarkOptions("shop", {"resamples": 20, "budgets": [5, 20]}), path)
        tables.append(without_time(path))
    assert tables[0] == tables[1]


def test_the_choice_of_the_query_is_the_same(shops: dict[str, Shop], tmp_path: Path) -> None:
    for catalogue, shop in shops.items():
        write_query_choice(shop.files(), BenchmarkOptions("shop", {"seed": 0}), tmp_path / f"{catalogue}.json")
    assert (tmp_path / "all.json").read_bytes() == (tmp_path / "core.json").read_bytes()


@pytest.mark.skipif(not HAS_FAISS, reason="faiss is not installed")
@pytest.mark.parametrize(
    ("factory", "on_disk"), [("Flat", False), ("SQ8", False), ("IVF4,Flat", False), ("IVF4,SQ8", True)]
)
def test_faiss_names_core_items_by_their_row(shops: dict[str, Shop], factory: str, on_disk: bool) -> None:
    whole, core = shops["all"], shops["core"]
    queries = [EmbeddingStore.open(shop.manifest)[shop.core_rows[:20]].astype(np.float32) for shop in (whole, core)]
    assert (queries[0] == queries[1]).all()
    rows, same = (
        faiss_index.load(shop.index(factory, on_disk)).search(torch.from_numpy(queries[0]), 7) for shop in (whole, core)
    )
    assert (rows == np.where(same < 0, -1, whole.core_rows[same])).all()


@pytest.mark.skipif(not HAS_FAISS, reason="faiss is not installed")
@pytest.mark.parametrize("factory", ["Flat", "IVF4,Flat"])
def test_a_shard_may_have_no_core_item(shops: dict[str, Shop], factory: str, tmp_path: Path) -> None:
    shop = shops["all"]
    start, stop = shard_range(ITEMS, 1, SHARDS)
    table = pq.read_table(shop.data.items)
    in_core = table["in_core"].to_numpy().copy()
    in_core[start:stop] = False
    pq.write_table(table.set_column(table.num_columns - 1, "in_core", pa.array(in_core)), tmp_path / "items.parquet")
    cut = object.__new__(Shop)
    cut.folder, cut.manifest = tmp_path, shop.manifest
    cut.data = Outputs(tmp_path / "items.parquet", *[tmp_path] * 4)
    index = faiss_index.load(cut.index(factory))
    assert index.shape[0] == in_core.sum()


def test_scorecards_are_of_all_items_that_get_an_id(shops: dict[str, Shop]) -> None:
    cards = {name: Scorecard.read(shop.folder / "rqkmeans_3x8" / "scorecard.json") for name, shop in shops.items()}
    assert cards["all"].items == ITEMS
    assert cards["core"].items == len(shops["core"].items)
    assert cards["all"].train_items == cards["core"].train_items
    assert cards["all"].train_items_per_code == cards["core"].train_items_per_code
    assert cards["all"].fit == cards["core"].fit


def test_log_and_printed_table_say_how_many_items_are_evaluated(
    shops: dict[str, Shop], tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {}
    for catalogue, shop in shops.items():
        options = BenchmarkOptions("shop", {"resamples": 20})
        with caplog.at_level("INFO"):
            write_control_evaluation(shop.files(), options, paths_in(tmp_path / catalogue))
        collect_scorecards([shop.folder / "rqkmeans_3x8" / "scorecard.json"], tmp_path / "tokenizers.csv")
        counts = {"items": json.loads(Path(shop.data.stats).read_text())["items"]}
        (tmp_path / "manifest.json").write_text(json.dumps({"dataset": "shop", "counts": counts}))
        collect_evaluations(
            [tmp_path / catalogue / "offline_eval.csv"],
            tmp_path / "tokenizers.csv",
            tmp_path / "collected.csv",
            [tmp_path / "manifest.json"],
        )
        said[catalogue] = capsys.readouterr().out
    core = len(shops["core"].items)
    assert f"shop: {core} of {ITEMS} items evaluated" in caplog.messages
    assert f"\nshop: {core} of {ITEMS} items evaluated; the others have IDs, but are no core items\n" in said["all"]
    assert "items evaluated" not in said["core"]


def test_vectors_that_only_items_outside_the_core_lack_lead_to_the_setting(
    shops: dict[str, Shop], tmp_path: Path
) -> None:
    shop = shops["all"]
    core = shop.core_rows
    for kept, is_advised in (
        (core, True),
        (np.setdiff1d(np.arange(ITEMS), core[:1]), False),
        (np.arange(3, ITEMS), False),
    ):
        np.save(tmp_path / "vectors.npy", np.ones((len(kept), 2), np.float32))
        (tmp_path / "ids.txt").write_text("".join(f"sku-{row:03}\n" for row in kept))
        settings = OwnVectors(vectors=tmp_path / "vectors.npy", ids=tmp_path / "ids.txt")
        with pytest.raises(InputError, match="have no vector") as caught:
            for shard in range(SHARDS):
                embed_shard(shop.data.items, shard, SHARDS, settings, tmp_path / "part.npy")
        assert ("catalogue: core" in str(caught.value)) == is_advised
        table = {"item_id": [f"sku-{row:03}" for row in kept], "c1": [0] * len(kept)}
        pq.write_table(pa.table(table), tmp_path / "codes.parquet")
        with pytest.raises(InputError, match="have no code") as caught:
            for shard in range(SHARDS):
                import_codes(tmp_path / "codes.parquet", None, shop.data.items, shard, SHARDS, tmp_path / "part.npy")
        assert ("catalogue: core" in str(caught.value)) == is_advised


def test_items_without_the_column_are_an_error_that_says_what_to_run(shops: dict[str, Shop], tmp_path: Path) -> None:
    shop = shops["core"]
    pq.write_table(pq.read_table(shop.data.items).drop_columns("in_core"), tmp_path / "old.parquet")
    files = shop.files()
    files.catalogue = str(tmp_path / "old.parquet")
    with pytest.raises(InputError, match=r"old\.parquet: no column in_core; .*; run the preprocessing step again$"):
        open_benchmark(files, BenchmarkOptions("shop", {}))


def test_embeddings_of_another_table_are_refused(shops: dict[str, Shop]) -> None:
    files = shops["core"].files()
    files.catalogue = str(shops["all"].data.items)
    with pytest.raises(InputError, match=r"embed the items again|run what comes after"):
        open_benchmark(files, BenchmarkOptions("shop", {}))
