"""Codewords of codes that were made elsewhere."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from semid.errors import InputError
from semid.quantizers import Compute, Decoder, ExternalCodes, RQKMeans, Tokenizer
from semid.semantic_ids import encode_items

N, DIM, LEVELS, K = 200, 5, 3, 6


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N, DIM)).astype(np.float32)


@pytest.fixture
def codes() -> np.ndarray:
    # 4 and 5 are never used at the last level
    return np.random.default_rng(1).integers(0, [K, K, 4], size=(N, LEVELS)).astype(np.uint16)


def residual_means(vectors: np.ndarray, codes: np.ndarray) -> np.ndarray:
    residuals, codebooks = vectors.astype(np.float64), np.zeros((LEVELS, K, DIM))
    for level in range(LEVELS):
        for code in range(K):
            members = codes[:, level] == code
            if members.any():
                codebooks[level, code] = residuals[members].mean(axis=0)
        residuals = residuals - codebooks[level, codes[:, level]]
    return codebooks


def fitted(vectors: np.ndarray, codes: np.ndarray, batch_size: int = 64) -> ExternalCodes:
    tokenizer = ExternalCodes(num_levels=LEVELS, codebook_size=K)
    return tokenizer.fit(vectors, Compute(batch_size=batch_size), codes=codes)


def test_codewords_are_the_means_of_the_residuals(vectors: np.ndarray, codes: np.ndarray) -> None:
    tokenizer = fitted(vectors, codes)
    expected = residual_means(vectors, codes)
    np.testing.assert_allclose(tokenizer.codebooks_.numpy(), expected, atol=1e-6)
    assert not tokenizer.codebooks_[2, 4:].any()
    assert tokenizer.cluster_sizes_.tolist() == [np.bincount(column, minlength=K).tolist() for column in codes.T]
    assert tokenizer.dim == DIM
    decoded = sum(expected[level, codes[:, level]] for level in range(LEVELS))
    np.testing.assert_allclose(tokenizer.decode(codes), decoded, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 7, 1_000])
def test_codewords_do_not_depend_on_block_size(vectors: np.ndarray, codes: np.ndarray, batch_size: int) -> None:
    np.testing.assert_array_equal(fitted(vectors, codes, batch_size).codebooks_, fitted(vectors, codes).codebooks_)


def test_vectors_are_left_as_they_are(vectors: np.ndarray, codes: np.ndarray) -> None:
    before = vectors.copy()
    vectors.setflags(write=False)
    fitted(vectors, codes)
    np.testing.assert_array_equal(vectors, before)


def test_codes_of_a_converged_rqkmeans_give_back_its_codebooks(vectors: np.ndarray) -> None:
    trained = RQKMeans(num_levels=2, codebook_size=4, kmeans_iters=500, kmeans_tolerance=0.0).fit(vectors)
    found = ExternalCodes(num_levels=2, codebook_size=4).fit(vectors, codes=trained.encode(vectors))
    np.testing.assert_allclose(found.codebooks_, trained.codebooks_, atol=1e-5)


def test_progress_counts_the_rows_of_every_level(vectors: np.ndarray, codes: np.ndarray) -> None:
    seen: list[int] = []
    tokenizer = ExternalCodes(num_levels=LEVELS, codebook_size=K)
    tokenizer.fit(vectors, Compute(batch_size=64), codes=codes, progress=seen.append)
    assert sum(seen) == N * LEVELS


def test_what_is_saved_is_read_back(
    vectors: np.ndarray, codes: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="semid"):
        tokenizer = fitted(vectors, codes)
    assert "level 3 of 3: 4 of 6 codes used" in caplog.text
    tokenizer.metadata = {"dataset": "mine"}
    tokenizer.save_pretrained(tmp_path)
    found = Decoder.from_pretrained(tmp_path)
    assert isinstance(found, ExternalCodes)
    assert (found.num_levels, found.codebook_size, found.metadata) == (LEVELS, K, {"dataset": "mine"})
    np.testing.assert_array_equal(found.decode(codes), tokenizer.decode(codes))
    np.testing.assert_array_equal(found.cluster_sizes_, tokenizer.cluster_sizes_)
    assert found.fit_summary() == {"dim": DIM}


def test_encoding_with_codes_made_elsewhere_says_to_import_them(
    vectors: np.ndarray, codes: np.ndarray, tmp_path: Path
) -> None:
    tokenizer = fitted(vectors, codes)
    assert not hasattr(tokenizer, "encode")
    tokenizer.save_pretrained(tmp_path)
    for read in (
        lambda: Tokenizer.from_pretrained(tmp_path),
        lambda: Tokenizer.from_model(tmp_path / "model.safetensors"),
        lambda: encode_items(tokenizer, "external_mine", vectors, {}, tmp_path / "codes.npy", Compute()),
    ):
        with pytest.raises(InputError, match=r"these codes were made elsewhere, .* import them all again"):
            read()
    assert not (tmp_path / "codes.npy").exists()


@pytest.mark.parametrize(("kind", "words"), [("random", "dealt at random"), ("category", "are paths of categories")])
def test_encoding_with_codes_that_were_made_here_says_where_they_come_from(
    kind: str, words: str, vectors: np.ndarray, codes: np.ndarray, tmp_path: Path
) -> None:
    tokenizer = fitted(vectors, codes)
    tokenizer.metadata = {"codes": kind}
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=words):
        Tokenizer.from_pretrained(tmp_path)


def test_codebooks_of_unlike_sizes_have_the_same_codewords(vectors: np.ndarray, codes: np.ndarray) -> None:
    tapered = ExternalCodes(num_levels=LEVELS, codebook_size=K, codebook_sizes=(K, K, 4)).fit(vectors, codes=codes)
    assert torch.equal(tapered.codebooks_, fitted(vectors, codes).codebooks_)
    with pytest.raises(InputError, match="codes of level 3 must lie between 0 and 3, found 5"):
        tapered.decode(np.array([[5, 5, 5]]))


def test_codes_must_fit_vectors_and_codebooks(vectors: np.ndarray, codes: np.ndarray) -> None:
    tokenizer = ExternalCodes(num_levels=LEVELS, codebook_size=K)
    with pytest.raises(InputError, match=r"expected codes \[200, 3\] beside vectors \[200, 5\], found none"):
        tokenizer.fit(vectors)
    with pytest.raises(InputError, match=r"found codes of shape \(199, 3\)"):
        tokenizer.fit(vectors, codes=codes[1:])
    with pytest.raises(InputError, match="codes must lie between 0 and 4"):
        ExternalCodes(num_levels=LEVELS, codebook_size=5).fit(vectors, codes=codes)
    with pytest.raises(InputError, match="codes are float64: expected integers"):
        tokenizer.fit(vectors, codes=codes + 0.5)
    with pytest.raises(InputError, match="not fitted"):
        tokenizer.decode(codes)
