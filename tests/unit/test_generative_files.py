"""The jobs of a generator from files to files: training, stops and resumption, the table, and bad input."""

import copy
import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file
from test_embeddings_store import random_vectors, write_store

from semid.analysis.generative_table import GENERATIVE_COLUMNS, GENERATIVE_SLICE_COLUMNS, format_generators
from semid.errors import InputError
from semid.evaluation.files import BenchmarkOptions
from semid.evaluation.ranks_file import RanksFile
from semid.evaluation.table import read_table
from semid.evaluation.target_ranks import Ranking
from semid.generative import fit
from semid.generative.files import GeneratorPlace, open_catalogue
from semid.generative.fit import GeneratorOutputs, fit_generator
from semid.generative.saved import read_generator
from semid.generative.table import write_generator_evaluation
from semid.pretrained import read_header, write_config
from semid.quantizers import ExternalCodes
from semid.retrieval.inverted import InvertedIndex

USERS, ITEMS, DIM = 40, 30, 6
SMALL = {
    **{"dim": 8, "head_width": 8, "layers": 1, "history": 6, "negatives": 8, "batch_positions": 32},
    **{"epochs": 3, "measure_every": 1, "warmup_steps": 2},
}
SASREC = {**SMALL, "items": "free", "code_weight": 0}
PLACE = GeneratorPlace("tiny", "generator", "external_hand")
TOKENIZERS = {"residual": ("rqkmeans_2x4", 2), "flat": ("vqvae_4", 1), "product": ("opq_2x4", 2)}


class Files(SimpleNamespace):
    def get(self, name: str) -> Any:
        return getattr(self, name, None)


def write_codes(folder: Path, codes: np.ndarray, vectors: np.ndarray) -> None:
    """Write the inverted index of codes, and a tokenizer with codebooks of four codes."""
    tokenizer = ExternalCodes(num_levels=codes.shape[1], codebook_size=4)
    tokenizer.fit(vectors, codes=codes)
    tokenizer.save_pretrained(folder)
    InvertedIndex.build(codes.astype(np.uint16)).save(folder / "inverted")


def write_splits(folder: Path, items_of_users: list[list[int]]) -> None:
    """Write splits whose last interaction of a user is for the test, and the one before for validation."""
    rows = [
        {"user_id": f"u{user}", "item_index": item, "timestamp": time, "left": len(items) - time}
        for user, items in enumerate(items_of_users)
        for time, item in enumerate(items)
    ]
    table = pd.DataFrame(rows).astype({"item_index": "int32"})
    chosen = {"train": table["left"] > 2, "valid": table["left"] == 2, "test": table["left"] == 1}
    for name, mask in chosen.items():
        table[mask].drop(columns="left").to_parquet(folder / f"{name}.parquet")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    random = np.random.default_rng(0)
    write_splits(tmp_path, [random.permutation(ITEMS)[:6].tolist() for _ in range(USERS)])
    vectors = random_vectors(ITEMS, DIM)
    write_codes(tmp_path / "tokenizer", random.integers(0, 4, (ITEMS, 2)), vectors)
    pq.write_table(pa.table({"in_core": [True] * ITEMS}), tmp_path / "items.parquet")
    folder = tmp_path / "generator"
    return Files(
        splits=[str(tmp_path / f"{name}.parquet") for name in ("train", "valid", "test")],
        catalogue=str(tmp_path / "items.parquet"),
        index=[str(tmp_path / "tokenizer/inverted/codes.npy")],
        tokenizer=str(tmp_path / "tokenizer/model.safetensors"),
        manifest=str(write_store(tmp_path / "embeddings", vectors, 2)),
        model=str(folder / "model.safetensors"),
        history=str(folder / "training.csv"),
        folder=folder,
        vectors=vectors,
    )


def fitted(files: Files, place: GeneratorPlace = PLACE, **options: Any) -> Path:
    """Train a generator, and let it search as the options say that are no arguments of training."""
    search = {name: options.pop(name) for name in ("beam", "beam_limit") if name in options}
    fit_generator(place, {**SMALL, **options}, files, GeneratorOutputs(files.model, files.history))
    write_config(files.model, files.folder / "config.json", search)
    return files.folder


def without_codes(files: Files) -> Files:
    return Files(
        **{name: value for name, value in vars(files).items() if name not in ("index", "tokenizer", "manifest")}
    )


def evaluated(files: Files, place: GeneratorPlace = PLACE, **settings: Any) -> list[dict[str, str]]:
    paths = SimpleNamespace(**{name: str(files.folder / name) for name in ("table", "ranks", "slices")})
    options = BenchmarkOptions("tiny", {"resamples": 20, **settings}, note="a note")
    write_generator_evaluation(place, files, options, paths)
    return read_table(paths.table, GENERATIVE_COLUMNS)


def history_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "training.csv").open(newline="", encoding="utf-8") as file:
        return [{**row, "seconds": ""} for row in csv.DictReader(file)]


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_every_kind_of_codes_has_its_rows_in_both_modes(files: Files, kind: str) -> None:
    name, levels = TOKENIZERS[kind]
    codes = np.random.default_rng(1).integers(0, 4, (ITEMS, levels))
    write_codes(files.folder.parent / "tokenizer", codes, files.vectors)
    place = GeneratorPlace("tiny", "generator-small-s2", name)
    fitted(files, place, seed=2)
    rows = evaluated(files, place)
    assert [(row["ranking"], row["seen"]) for row in rows] == [
        (ranking, seen) for seen in ("removed", "kept") for ranking in ("dense", "generate", "hybrid")
    ]
    for row in rows:
        assert (row["tokenizer"], row["generator"], row["seed"], row["note"]) == (name, place.generator, "2", "a note")
        assert (row["num_levels"], row["codebook_size"], row["device"]) == (str(levels), "4", "cpu")
        assert (row["users"], row["epochs"], row["history"]) == (str(USERS), "3", "6")
        assert bool(row["exact_share"]) == bool(row["invalid_share"]) == (row["ranking"] == "generate")
        assert bool(row["beam"]) == (row["ranking"] != "dense")
        assert bool(row["beta"]) == (row["ranking"] == "hybrid")
        assert 0 <= float(row["gini_exposure@10"]) < 1
        assert 0 < float(row["item_coverage@10"]) <= 1
        assert float(row["query_us"]) > 0
        assert int(row["parameters"]) == sum(tensor.numel() for tensor in load_file(files.model).values())
    assert all(float(row["exact_share"]) == 1 for row in rows if row["ranking"] == "generate"), "the beam holds all"
    assert len(RanksFile.open(files.folder / "ranks", USERS).strategies) == 6
    slices = read_table(files.folder / "slices", GENERATIVE_SLICE_COLUMNS)
    assert {"cold", "untied", "all"} <= {row["slice"] for row in slices}
    assert "recall@10 seen kept" in format_generators(files.folder / "table").splitlines()[0]


def test_recall_of_codes_is_at_least_that_of_items(files: Files) -> None:
    fitted(files)
    row = next(row for row in evaluated(files) if row["ranking"] == "generate")
    assert float(row["recall_sid@10"]) >= float(row["recall@10"])
    assert float(row["recall_sid@10_inflation"]) == pytest.approx(
        float(row["recall_sid@10"]) / float(row["recall@10"]), rel=1e-4
    )


@pytest.mark.parametrize("items", ["free", "free-content"])
def test_a_generator_without_codes_ranks_by_its_vectors_alone(files: Files, items: str) -> None:
    place, alone = GeneratorPlace("tiny", "sasrec"), without_codes(files)
    if items == "free-content":
        alone.manifest = files.manifest
    fitted(alone, place, items=items, code_weight=0)
    rows = evaluated(alone, place)
    assert [(row["ranking"], row["seen"]) for row in rows] == [("dense", "removed"), ("dense", "kept")]
    assert not any(row[name] for row in rows for name in ("tokenizer", "method", "bits", "beam", "beta", "exact_share"))


def test_options_of_the_search_change_what_is_found_and_not_the_model(files: Files) -> None:
    fitted(files)
    before = Path(files.model).read_bytes()
    wide = evaluated(files)
    write_config(files.model, files.folder / "config.json", {"beam": 1})
    narrow = evaluated(files)
    assert Path(files.model).read_bytes() == before
    assert (wide[1]["beam"], narrow[1]["beam"]) == ("50", "1")
    assert float(narrow[1]["avg_cand_size"]) < float(wide[1]["avg_cand_size"])
    assert read_header(files.model)["at_encode"] == {"beam": 50, "beam_limit": "as_given"}


def test_beta_is_chosen_on_the_validation_split_and_never_on_test(files: Files) -> None:
    fitted(files)
    chosen = {row["beta"] for row in evaluated(files) if row["beta"]}
    random = np.random.default_rng(5)
    table = pd.read_parquet(files.splits[2])
    table["item_index"] = random.permutation(table["item_index"])
    table.to_parquet(files.splits[2])
    assert {row["beta"] for row in evaluated(files) if row["beta"]} == chosen
    assert len(chosen) == 1


@pytest.mark.parametrize("options", [{}, {"items": "codes+content"}, {"code_weight": 0, "items": "codes"}])
@pytest.mark.parametrize("epoch", [1, 2])
def test_a_training_killed_after_an_epoch_ends_with_the_same_bits(
    files: Files, options: dict, epoch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fitted(files, **options)
    expected = Path(files.model).read_bytes(), history_of(folder)
    for file in (files.model, files.history):
        Path(file).unlink()
    save, saved = fit.save_training, []

    def save_and_die(checkpoint: Any, training: Any) -> None:
        save(checkpoint, training)
        saved.append(training)
        if len(saved) == epoch:
            raise KeyboardInterrupt

    monkeypatch.setattr(fit, "save_training", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        fitted(files, **options)
    assert (folder / "checkpoint/training.safetensors").is_file()
    assert not Path(files.model).exists()
    torch.manual_seed(99)
    fitted(files, **options)
    assert len(saved) == 3, "it went on after the epochs that it had"
    assert (Path(files.model).read_bytes(), history_of(folder)) == expected
    assert not (folder / "checkpoint").exists()


@pytest.mark.parametrize("change", ["options", "interactions", "codes", "bytes"])
def test_a_checkpoint_of_another_training_is_ignored(
    files: Files, change: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    save = fit.save_training

    def save_and_die(checkpoint: Any, training: Any) -> None:
        save(checkpoint, training)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fit, "save_training", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            fitted(files)
    options: dict[str, Any] = {}
    if change == "options":
        options = {"learning_rate": 0.01}
    elif change == "interactions":
        table = pd.read_parquet(files.splits[0])
        table.iloc[3:].to_parquet(files.splits[0])
    elif change == "codes":
        codes = np.random.default_rng(7).integers(0, 4, (ITEMS, 2))
        write_codes(files.folder.parent / "tokenizer", codes, files.vectors)
    else:
        path = files.folder / "checkpoint/training.safetensors"
        content = bytearray(path.read_bytes())
        content[-9] ^= 1
        path.write_bytes(content)
    fitted(files, **options)
    words = {"codes": "items or codes", "bytes": "is damaged"}.get(change, change)
    assert words in caplog.text
    resumed = Path(files.model).read_bytes()
    fitted(files, **options)
    assert Path(files.model).read_bytes() == resumed


def test_another_seed_is_another_model_and_the_same_seed_the_same(files: Files) -> None:
    models = []
    for seed in (0, 1, 0):
        fitted(files, seed=seed)
        models.append(Path(files.model).read_bytes())
    assert models[0] == models[2]
    assert models[0] != models[1]


def test_a_saved_generator_has_the_tensors_it_was_saved_with(files: Files) -> None:
    fitted(files)
    catalogue, _ = open_catalogue(PLACE, files)
    saved = read_generator(files.folder, catalogue)
    assert saved.fitted["epochs"] == 3
    assert saved.metadata == {"name": "tiny/external_hand/generator", "device": "cpu"}
    tensors = load_file(files.model)
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in saved.model.state_dict().items())


def nan(tensors: dict[str, torch.Tensor]) -> None:
    tensors["transformer.positions"][0, 0] = float("nan")


def other_items(tensors: dict[str, torch.Tensor]) -> None:
    tensors["items.free_vectors"] = tensors["items.free_vectors"][1:].clone()


def one_less(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["transformer.positions"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (nan, "the tensor transformer.positions must hold finite values"),
        (other_items, r"the tensor items.free_vectors must be float32 \[30, 8\], found float32 \[29, 8\]"),
        (one_less, "the tensor transformer.positions is missing"),
    ],
)
def test_wrong_tensors_are_refused_in_one_sentence(files: Files, change: Any, words: str) -> None:
    fitted(files)
    tensors = copy.deepcopy(load_file(files.model))
    change(tensors)
    save_file(tensors, files.model)
    catalogue, _ = open_catalogue(PLACE, files)
    with pytest.raises(InputError, match=words):
        read_generator(files.folder, catalogue)


@pytest.mark.parametrize(
    "text", ["{}", "[1]", "{", json.dumps({"class": "RQVAE"}), '{"class": "Generator", "arguments": {"dim": 0}}']
)
def test_a_wrong_config_is_refused_in_one_sentence(files: Files, text: str) -> None:
    fitted(files)
    (files.folder / "config.json").write_text(text, encoding="utf-8")
    catalogue, _ = open_catalogue(PLACE, files)
    with pytest.raises(InputError, match=r"config\.json.*train or copy it again") as raised:
        read_generator(files.folder, catalogue)
    assert "\n" not in str(raised.value)


def test_users_with_one_interaction_are_refused(files: Files) -> None:
    write_splits(files.folder.parent, [[user % ITEMS] for user in range(USERS)])
    with pytest.raises(InputError, match="no user has two items in the training split"):
        fitted(files)


def test_a_validation_split_without_queries_is_refused(files: Files) -> None:
    table = pd.read_parquet(files.splits[1])
    table.iloc[:0].to_parquet(files.splits[1])
    with pytest.raises(InputError, match="tiny/external_hand/generator: nothing is left of the validation split"):
        fitted(files)


def test_one_item_is_refused(files: Files) -> None:
    pq.write_table(pa.table({"in_core": [True]}), files.catalogue)
    with pytest.raises(InputError, match="a generator learns to tell items apart, and there is only one core item"):
        fitted(files)


def test_a_vector_that_is_not_finite_is_refused(files: Files) -> None:
    part = Path(files.manifest).parent / "part-00000-of-00002.npy"
    vectors = np.load(part)
    vectors[7, 2] = np.nan
    np.save(part, vectors)
    with pytest.raises(InputError, match="the embedding in row 7 is not finite"):
        fitted(files)


def test_codes_beyond_the_codebooks_are_refused(files: Files) -> None:
    InvertedIndex.build(np.full((ITEMS, 2), 9, np.uint16)).save(files.folder.parent / "tokenizer/inverted")
    with pytest.raises(InputError, match="the largest codes are 9, 9, and the tokenizer has codebooks of 4, 4"):
        fitted(files)


def test_all_items_in_one_bucket_work(files: Files) -> None:
    write_codes(files.folder.parent / "tokenizer", np.zeros((ITEMS, 2), int), files.vectors)
    # only heads that choose among all codes learn which of them exist
    fitted(files, code_loss="all", epochs=20)
    rows = {(row["ranking"], row["seen"]): row for row in evaluated(files)}
    generate = rows["generate", "kept"]
    # all items are tied: the expectation of a hit is ten of thirty
    assert float(generate["recall@10"]) == pytest.approx(10 / ITEMS, rel=1e-4)
    assert (float(generate["recall_sid@10"]), float(generate["invalid_share"])) == (1, 0)


def test_ranks_are_those_of_the_rows(files: Files) -> None:
    fitted(files)
    rows = evaluated(files)
    ranks = RanksFile.open(files.folder / "ranks", USERS)
    for row in rows:
        read = ranks.read(Ranking(row["ranking"], 0, row["seen"]))
        assert float(row["recall@10"]) == pytest.approx(read.metric("recall@10").mean(), rel=1e-4)
