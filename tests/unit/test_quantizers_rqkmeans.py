"""RQ-KMeans: residuals, principal directions, beams, and its figures on real data."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from mixtures import mixture

from semid.errors import InputError
from semid.quantizers import VQVAE, RQKMeans, Tokenizer
from semid.quantizers import rqkmeans as module
from semid.quantizers.kernels.beam import BeamSearch


def mean_error(tokenizer: Tokenizer, vectors: np.ndarray) -> float:
    decoded = tokenizer.decode(tokenizer.encode(vectors))
    return float(np.square(decoded - vectors.astype(np.float64)).sum(axis=1).mean())


def test_the_error_falls_with_every_level():
    vectors = mixture()
    tokenizer = RQKMeans(num_levels=5, codebook_size=16).fit(vectors)
    codes, codebooks = tokenizer.encode(vectors), tokenizer.codebooks_.numpy()
    residual, errors = vectors.copy(), []
    for level in range(5):
        residual -= codebooks[level][codes[:, level]]
        errors.append(float(np.square(residual).sum(axis=1).mean()))
    assert all(after < 0.95 * before for before, after in pairwise(errors))
    assert mean_error(tokenizer, vectors) == pytest.approx(errors[-1], rel=1e-4)


def test_a_level_is_the_k_means_of_what_the_levels_before_it_left():
    vectors = mixture()
    deep = RQKMeans(num_levels=3, codebook_size=8).fit(vectors)
    shallow = RQKMeans(num_levels=2, codebook_size=8).fit(vectors)
    assert torch.equal(deep.codebooks_[:2], shallow.codebooks_)
    # a codeword of the last level is the mean of the residuals it serves
    residual = vectors - shallow.decode(shallow.encode(vectors))
    last = deep.encode(vectors)[:, 2]
    means = np.stack([residual[last == code].mean(axis=0) for code in range(8)])
    np.testing.assert_allclose(deep.codebooks_[2], means, atol=0.02)


def test_all_principal_directions_keep_what_the_input_space_keeps():
    vectors = mixture()
    plain = mean_error(RQKMeans(num_levels=3, codebook_size=16).fit(vectors), vectors)
    turned = mean_error(RQKMeans(num_levels=3, codebook_size=16, pca_dim=16).fit(vectors), vectors)
    assert turned == pytest.approx(plain, rel=0.05)


def test_decode_restores_the_mean_and_stays_in_the_principal_space():
    vectors = mixture() + 10
    tokenizer = RQKMeans(num_levels=3, codebook_size=16, pca_dim=4).fit(vectors)
    decoded = tokenizer.decode(tokenizer.encode(vectors))
    np.testing.assert_allclose(decoded.mean(axis=0), vectors.mean(axis=0), atol=0.05)
    centred = decoded - vectors.mean(axis=0)
    directions = tokenizer.directions_.numpy()
    np.testing.assert_allclose(centred @ directions.T @ directions, centred, atol=1e-4)


def test_a_beam_lowers_the_error_and_changes_nothing_else():
    vectors = mixture(seed=3)
    greedy = RQKMeans(num_levels=4, codebook_size=16).fit(vectors)
    beam = RQKMeans(num_levels=4, codebook_size=16, beam=8).fit(vectors)
    assert torch.equal(beam.codebooks_, greedy.codebooks_)
    assert mean_error(beam, vectors) < 0.99 * mean_error(greedy, vectors)


@pytest.mark.parametrize("num_levels", [1, 3])
def test_a_beam_searches_where_there_is_more_than_one_level(num_levels: int, monkeypatch: pytest.MonkeyPatch):
    vectors = mixture()
    tokenizer = RQKMeans(num_levels=num_levels, codebook_size=16, beam=4).fit(vectors)
    searches = []
    monkeypatch.setattr(module, "BeamSearch", lambda *arguments: searches.append(1) or BeamSearch(*arguments))
    codes = tokenizer.encode(vectors)
    assert len(searches) == (num_levels > 1)
    tokenizer.beam = 1
    assert (tokenizer.encode(vectors) == codes).all() == (num_levels == 1)


# far from the origin


def blobs() -> np.ndarray:
    generator = np.random.default_rng(0)
    centres = 3 * generator.normal(size=(20, 64))
    return centres[generator.integers(20, size=5_000)] + generator.normal(size=(5_000, 64))


@pytest.mark.parametrize("shift", [300, 1_000, 3_000, 100_000])
@pytest.mark.parametrize(
    "make",
    [lambda: RQKMeans(num_levels=1, codebook_size=64), lambda: VQVAE(codebook_size=64, epochs=0)],
    ids=["rqkmeans", "vqvae"],
)
def test_rows_far_from_the_origin_are_clustered_as_those_near_it(
    make: Callable[[], Tokenizer], shift: int, caplog: pytest.LogCaptureFixture
):
    near, far = blobs().astype(np.float32), (blobs() + shift).astype(np.float32)
    expected = mean_error(make().fit(near), near)
    tokenizer = make().fit(far)
    assert mean_error(tokenizer, far) == pytest.approx(expected, rel=0.005)
    assert int((tokenizer.cluster_sizes_ > 0).sum()) == 64
    assert caplog.text == ""


@pytest.mark.parametrize(("length", "subtracted"), [(3.9, False), (4.1, True)])
def test_the_mean_is_subtracted_where_it_is_longer_than_four_standard_deviations(length: float, subtracted: bool):
    vectors = blobs() - blobs().mean(axis=0)
    mean = length * np.sqrt(np.square(vectors).sum(axis=1).mean()) * np.eye(64)[0]
    vectors = (vectors + mean).astype(np.float32)
    tokenizer = RQKMeans(num_levels=2, codebook_size=16, kmeans_iters=3).fit(vectors)
    np.testing.assert_allclose(tokenizer.mean_, mean * subtracted, atol=1e-3)
    assert bool(tokenizer.mean_.any()) == subtracted
    np.testing.assert_allclose(tokenizer.decode(tokenizer.encode(vectors)).mean(axis=0), mean, atol=0.2)


def test_large_values_are_clustered_as_their_fractions_and_too_large_ones_refused():
    vectors = mixture()
    tokenizer = RQKMeans(num_levels=2, codebook_size=16).fit(vectors)
    large = vectors * np.float32(2.0**42)
    np.testing.assert_array_equal(
        RQKMeans(num_levels=2, codebook_size=16).fit(large).encode(large), tokenizer.encode(vectors)
    )
    vectors[437, 3], vectors[512, 0] = -3e38, np.nan
    for call in (RQKMeans(codebook_size=16).fit, tokenizer.encode):
        with pytest.raises(InputError, match=r"row 437 of the vectors holds 3e\+38: float32 .* at most 7.04e\+13"):
            call(vectors)
