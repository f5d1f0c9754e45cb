"""Codes that are numbered anew agree with earlier ones as far as a permutation a level can make them."""

import csv
import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mixtures import mixture

from semid.embeddings.store import new_part, write_manifest
from semid.errors import InputError
from semid.methods import METHODS
from semid.quantizers import Compute, Tokenizer
from semid.semantic_ids.alignment import LARGEST_CODEBOOK, align_tokenizer, level_order
from semid.semantic_ids.churn import churn, write_churn
from semid.semantic_ids.codes import write_codes
from semid.semantic_ids.table import write_semantic_ids

N, DIM = 400, 12
VECTORS = mixture(N, DIM)
IDS = [f"sku-{number:03d}" for number in range(N)]


@pytest.mark.parametrize("seed", range(20))
def test_the_order_is_the_best_of_all_permutations(seed: int) -> None:
    random = np.random.default_rng(seed)
    size = 5
    old, new = random.integers(0, size, (2, 30))
    order = level_order(old, new, size)
    kept = (np.argsort(order)[new] == old).sum()
    best = max((np.array(names)[new] == old).sum() for names in itertools.permutations(range(size)))
    assert kept == best


def test_equal_codes_and_codes_that_nobody_has_stay_as_they_are() -> None:
    codes = np.array([3, 3, 1, 5])
    np.testing.assert_array_equal(level_order(codes, codes, 8), np.arange(8))
    swapped = np.array([1, 1, 3, 5])
    np.testing.assert_array_equal(level_order(codes, swapped, 8), [0, 3, 2, 1, 4, 5, 6, 7])


def test_a_codebook_that_is_too_large_is_refused() -> None:
    with pytest.raises(InputError, match="at most 16,384 codes, this has 16,385"):
        level_order(np.zeros(1, int), np.zeros(1, int), LARGEST_CODEBOOK + 1)


def fitted(method: str, seed: int = 0) -> Tokenizer:
    """A tokenizer of a method, whose levels have sizes that differ where it has several."""
    kind = METHODS[method].load()
    arguments: dict[str, Any] = {"codebook_size": 16, "seed": seed}
    if METHODS[method].kind != "flat":
        arguments |= {"num_levels": 2, "codebook_sizes": (16, 8)}
    if METHODS[method].keeps_history:
        arguments |= {"epochs": 2, "codebook_dim": 6}
    tokenizer: Tokenizer = kind(**arguments).fit(VECTORS)
    return tokenizer


@pytest.mark.parametrize("method", METHODS)
def test_a_tokenizer_whose_codes_have_other_numbers_is_the_same_otherwise(method: str, tmp_path: Path) -> None:
    tokenizer = fitted(method)
    codes, decoded = tokenizer.encode(VECTORS), tokenizer.decode(tokenizer.encode(VECTORS))
    random = np.random.default_rng(1)
    orders = [random.permutation(size) for size in tokenizer.sizes]
    tokenizer.renumber(orders)
    renumbered = np.stack([np.argsort(order)[level] for order, level in zip(orders, codes.T, strict=True)], axis=1)
    tokenizer.save_pretrained(tmp_path)
    for one in (tokenizer, Tokenizer.from_pretrained(tmp_path)):
        np.testing.assert_array_equal(one.encode(VECTORS), renumbered)
        np.testing.assert_array_equal(one.decode(renumbered), decoded)
        counts = [np.bincount(level, minlength=16) for level in renumbered.T]
        np.testing.assert_array_equal(one.cluster_sizes_, counts)
    with pytest.raises(ValueError, match="level 1: no permutation of the 16 codes"):
        tokenizer.renumber([np.zeros(size, int) for size in tokenizer.sizes])


@pytest.fixture
def files(tmp_path: Path) -> SimpleNamespace:
    """The items and embeddings of a catalogue, and the table of an earlier tokenizer for half of its items."""
    pq.write_table(pa.table({"item_id": IDS}), tmp_path / "catalogue.parquet")
    with new_part(tmp_path / "part.npy", N, DIM, "float32") as part:
        part[:] = VECTORS
    write_manifest(tmp_path / "manifest.json", [tmp_path / "part.npy"], {"model": "own"}, N)
    old = fitted("rqkmeans")
    rows = np.random.default_rng(0).permutation(N)[: N // 2]
    ids = pa.array([*(IDS[row] for row in rows), "gone"])
    write_semantic_ids(tmp_path / "old.parquet", ids, np.concatenate([old.encode(VECTORS[rows]), [[0, 0]]]))
    return SimpleNamespace(
        catalogue=tmp_path / "catalogue.parquet",
        manifest=tmp_path / "manifest.json",
        old=tmp_path / "old.parquet",
        codes=[tmp_path / "codes.npy"],
        config=tmp_path / "config.json",
        rows=np.sort(rows),
    )


def test_a_retrained_tokenizer_keeps_the_numbers_of_the_clusters_that_it_finds_again(
    files: SimpleNamespace, tmp_path: Path
) -> None:
    before, retrained = fitted("rqkmeans"), fitted("rqkmeans")
    random = np.random.default_rng(3)
    retrained.renumber([random.permutation(size) for size in retrained.sizes])
    assert (retrained.encode(VECTORS) != before.encode(VECTORS)).any(axis=1).mean() > 0.9
    align_tokenizer(retrained, files.old, files.manifest, files.catalogue, Compute())
    # codes that the table gives nobody have no number to keep
    np.testing.assert_array_equal(retrained.encode(VECTORS[files.rows]), before.encode(VECTORS[files.rows]))
    said = retrained.metadata["alignment"]
    assert said["items"] == N // 2
    assert said["after"] == [0.0, 0.0, 0.0]
    assert said["before"][-1] > 0.9

    retrained.save_pretrained(tmp_path)
    write_codes(files.codes[0], retrained.encode(VECTORS), 16)
    write_churn(files, tmp_path / "churn.csv")
    with (tmp_path / "churn.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["level"] for row in rows] == ["1", "2", "all"]
    assert {row["items"] for row in rows} == {str(N // 2)}
    assert {row["after"] for row in rows} == {"0.000000"}
    assert [float(row["before"]) for row in rows] == pytest.approx(said["before"], abs=1e-6)


def test_alignment_never_raises_the_churn_of_a_level(files: SimpleNamespace) -> None:
    retrained = fitted("rqkmeans", seed=5)
    align_tokenizer(retrained, files.old, files.manifest, files.catalogue, Compute())
    said = retrained.metadata["alignment"]
    assert all(after <= before for before, after in zip(said["before"][:-1], said["after"][:-1], strict=True))
    assert said["after"][0] < said["before"][0]


def test_the_churn_of_known_codes() -> None:
    assert churn(np.array([[0, 1], [2, 3]]), np.array([[0, 1], [2, 0]])) == [0.0, 0.5, 0.5]


def test_what_cannot_be_compared_is_said(files: SimpleNamespace, tmp_path: Path) -> None:
    def refusal(ids: list[str], codes: list[list[int]]) -> str:
        write_semantic_ids(files.old, pa.array(ids), np.array(codes))
        with pytest.raises(InputError) as error:
            align_tokenizer(fitted("rqkmeans"), files.old, files.manifest, files.catalogue, Compute())
        return str(error.value)

    assert "has none of the items of" in refusal(["other"], [[0, 0]])
    assert "codebooks of 16 x 8: name a table of the same size" in refusal(IDS[:1], [[0, 8]])
    assert "codes of 3 levels up to 1" in refusal(IDS[:1], [[0, 1, 0]])
    files.config.write_text(json.dumps({"metadata": {}}))
    with pytest.raises(InputError, match="this tokenizer was not aligned; train the tokenizer again"):
        write_churn(files, tmp_path / "churn.csv")
