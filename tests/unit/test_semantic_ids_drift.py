"""Whether new items suit a tokenizer that is loaded: known figures, and verdicts that can go both ways."""

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mixtures import mixture

from semid.embeddings.store import new_part, write_manifest
from semid.errors import InputError
from semid.quantizers import RQKMeans
from semid.semantic_ids.codes import items_sharing_codes, write_codes
from semid.semantic_ids.decoding_errors import squared_errors
from semid.semantic_ids.drift import (
    divergence_figures,
    error_figures,
    error_of_unseen,
    jensen_shannon,
    sharing_figure,
    write_drift,
)
from semid.semantic_ids.table import write_semantic_ids

DIM, OLD = 8, 2000
VECTORS = mixture(OLD + 400, DIM)


@pytest.fixture(scope="module")
def tokenizer() -> RQKMeans:
    return RQKMeans(num_levels=2, codebook_size=16).fit(VECTORS[:OLD])


def drift(folder: Path, tokenizer: RQKMeans, new: np.ndarray, changed: int = 0, gone: int = 0) -> dict[str, dict]:
    """The rows of drift.csv for a catalogue with `new` vectors [m, dim] beside the old ones, by figure and level.

    The table gives another code to `changed` of the old items, and has `gone` items that the catalogue has not.
    """
    vectors = np.concatenate([VECTORS[:OLD], new]).astype(np.float32)
    ids = [f"sku-{number:05d}" for number in range(len(vectors))]
    pq.write_table(pa.table({"item_id": ids}), folder / "catalogue.parquet")
    with new_part(folder / "part.npy", *vectors.shape, "float32") as part:
        part[:] = vectors
    write_manifest(folder / "manifest.json", [folder / "part.npy"], {"model": "own"}, len(vectors))
    tokenizer.save_pretrained(folder)
    write_codes(folder / "codes.npy", tokenizer.encode(vectors), 16)
    old_codes = tokenizer.encode(VECTORS[:OLD])
    old_codes[:changed] = (old_codes[:changed] + 1) % 16
    of_table = np.concatenate([old_codes, np.zeros((gone, 2), old_codes.dtype)])
    write_semantic_ids(
        folder / "old.parquet", pa.array([*ids[:OLD], *(f"gone-{row}" for row in range(gone))]), of_table
    )
    return compared(folder)


def compared(folder: Path) -> dict[str, dict]:
    """The rows of drift.csv for the files in a folder, by figure and level."""
    files = SimpleNamespace(
        codes=[folder / "codes.npy"],
        model=folder / "model.safetensors",
        manifest=folder / "manifest.json",
        catalogue=folder / "catalogue.parquet",
        old=folder / "old.parquet",
    )
    write_drift(files, folder / "drift.csv")
    with (folder / "drift.csv").open() as file:
        return {row["figure"] + row["level"]: row for row in csv.DictReader(file)}


def test_items_like_those_before_keep_the_tokenizer(tokenizer: RQKMeans, tmp_path: Path) -> None:
    rows = drift(tmp_path, tokenizer, VECTORS[OLD:], changed=7, gone=3)
    assert list(rows) == [
        *("items", "gone", "other_code", "error", "beyond_p99", "divergence1", "divergence2", "sharing_id", "verdict")
    ]
    assert (rows["items"]["old"], rows["items"]["new"]) == (str(OLD + 3), "400")
    assert rows["gone"]["old"] == "3"
    assert rows["other_code"]["old"] == "7"
    errors = np.square(VECTORS - tokenizer.decode(tokenizer.encode(VECTORS))).sum(axis=1)
    assert float(rows["error"]["old"]) == pytest.approx(errors[:OLD].mean(), rel=1e-4)
    assert float(rows["error"]["new"]) == pytest.approx(errors[OLD:].mean(), rel=1e-4)
    unseen = error_of_unseen(tokenizer.cluster_sizes_.numpy())
    beyond = (errors[OLD:] > unseen * np.quantile(errors[:OLD], 0.99)).mean()
    assert float(rows["beyond_p99"]["new"]) == pytest.approx(beyond)
    assert {row["beyond"] for name, row in rows.items() if row["limit"]} == {"False"}
    assert rows["verdict"]["verdict"] == "keep the tokenizer: new items suit it as old ones do"


def test_items_of_another_kind_ask_for_another_tokenizer(tokenizer: RQKMeans, tmp_path: Path) -> None:
    # one narrow group far from all others
    new = np.random.default_rng(0).normal(size=(400, DIM)) * 0.01 + 3 * np.abs(VECTORS).max()
    rows = drift(tmp_path, tokenizer, new)
    assert {rows[name]["beyond"] for name in ("error", "beyond_p99", "divergence1")} == {"True"}
    verdict = rows["verdict"]["verdict"]
    assert verdict.startswith("train another tokenizer: decoding loses more of new items")
    assert "100.0% of the new items lie beyond 99 % of the old ones" in verdict


def test_a_handful_of_items_proves_nothing(tokenizer: RQKMeans, tmp_path: Path) -> None:
    rows = drift(tmp_path, tokenizer, VECTORS[OLD : OLD + 3])
    # three items have few codes, and are far from the use of all
    assert float(rows["divergence1"]["new"]) > float(rows["divergence1"]["limit"])
    assert rows["verdict"]["verdict"].startswith("keep the tokenizer")


def test_a_catalogue_that_did_not_grow(tokenizer: RQKMeans, tmp_path: Path) -> None:
    rows = drift(tmp_path, tokenizer, np.empty((0, DIM)))
    assert list(rows) == ["items", "gone", "other_code", "verdict"]
    assert rows["verdict"]["verdict"] == "keep the tokenizer: no item is new"


def test_new_items_alone_are_compared_by_their_codes(tokenizer: RQKMeans, tmp_path: Path) -> None:
    drift(tmp_path, tokenizer, VECTORS[OLD:])
    old = tokenizer.encode(VECTORS[:OLD])
    write_semantic_ids(tmp_path / "old.parquet", pa.array([f"other-{row}" for row in range(OLD)]), old)
    rows = compared(tmp_path)
    assert rows["gone"]["old"] == str(OLD)
    assert rows["error"]["old"] == rows["error"]["beyond"] == ""
    assert "beyond_p99" not in rows
    assert rows["divergence1"]["beyond"] == "False"
    # a suffix, which repaired IDs have, is no code of the tokenizer
    suffixed = np.column_stack([old, np.arange(OLD)])
    write_semantic_ids(tmp_path / "old.parquet", pa.array([f"other-{row}" for row in range(OLD)]), suffixed)
    before = (tmp_path / "drift.csv").read_text()
    compared(tmp_path)
    assert (tmp_path / "drift.csv").read_text() == before
    write_semantic_ids(tmp_path / "old.parquet", pa.array(["a"]), np.array([[0, 16]]))
    with pytest.raises(InputError, match="codes of 2 levels up to 16, but the tokenizer has codebooks of 16 x 16"):
        compared(tmp_path)


def test_known_divergences_and_errors() -> None:
    assert jensen_shannon(np.array([3, 1]), np.array([6, 2])) == pytest.approx(0)
    assert jensen_shannon(np.array([5, 0]), np.array([0, 9])) == pytest.approx(1)
    # H(1/4) - (H(0) + H(1/2)) / 2, with the entropy H of two shares
    quarter = -(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75))
    assert jensen_shannon(np.array([2, 2]), np.array([7, 0])) == pytest.approx(quarter - 0.5)
    errors = squared_errors(
        np.array([[3.0, 4.0], [1.0, 1.0]]), lambda codes: np.ones((len(codes), 2)), np.zeros((2, 1))
    )
    assert errors.tolist() == [13.0, 0.0]


def test_which_items_share_their_codes() -> None:
    codes = np.array([[0, 1], [2, 3], [0, 1], [1, 0], [2, 3], [0, 1]])
    assert items_sharing_codes(codes).tolist() == [True, True, True, False, True, True]
    assert items_sharing_codes(np.empty((0, 2), int)).tolist() == []


@pytest.mark.parametrize("sizes", [(64, 64), (256,)])
def test_a_tokenizer_of_few_training_items_is_kept_where_nothing_drifts(sizes: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(3000, 16)).astype(np.float32)
    known, others = vectors[:600], vectors[600:]
    tokenizer = RQKMeans(num_levels=len(sizes), codebook_size=sizes[0], kmeans_iters=10).fit(known)
    reasons = []
    for n in (5, 50, 500):
        for _ in range(20):
            new = others[random.choice(len(others), n, replace=False)]
            codes = tokenizer.encode(np.concatenate([known, new]))
            errors = squared_errors(np.concatenate([known, new]), tokenizer.decode, codes)
            unseen = error_of_unseen(tokenizer.cluster_sizes_.numpy())
            figures = [
                *error_figures(errors[:600], errors[600:], unseen),
                *divergence_figures(codes[:600], codes[600:], tokenizer.sizes),
                sharing_figure(codes, np.arange(len(codes)) >= 600, codes[:600], unseen),
            ]
            reasons += [figure.figure for figure in figures if figure.beyond]
    assert len(reasons) <= 1, reasons


def test_the_first_items_that_share_an_id_prove_nothing() -> None:
    codes = np.array([[code] for code in range(200)] + [[0], *([code] for code in range(200, 299))])
    is_new = np.arange(300) >= 200
    assert not sharing_figure(codes, is_new, codes[:200]).beyond
    shared = codes.copy()
    shared[200:230] = 7
    assert sharing_figure(shared, is_new, codes[:200]).beyond


def test_the_error_of_items_that_no_training_saw() -> None:
    sizes = np.array([[8, 8, 4], [10, 10, 0]])
    assert error_of_unseen(sizes) == pytest.approx(23 / 17 * 22 / 18)
    assert error_of_unseen(np.ones((1, 5), int)) == 10
