"""RQ-KMeans: residuals, principal directions, beams, and its figures on real data."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from semid.quantizers import RQKMeans


def mixture(n: int = 600, dim: int = 16, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(12, dim)) + 0.5
    return (centres[generator.integers(12, size=n)] + 0.4 * generator.normal(size=(n, dim))).astype(np.float32)


def mean_error(tokenizer: RQKMeans, vectors: np.ndarray) -> float:
    decoded = tokenizer.decode(tokenizer.encode(vectors))
    return float(np.square(decoded - vectors.astype(np.float32)).sum(axis=1).mean())


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


def test_beauty_keeps_the_figures_of_the_design(shared_data: Path):
    vectors = np.load(shared_data / "amazon2014-beauty" / "embeddings_minilm_f16.npy", mmap_mode="r")
    tokenizer = RQKMeans(num_levels=4, codebook_size=256, seed=0).fit(vectors)
    codes = tokenizer.encode(vectors)
    shares = np.bincount(codes[:, 0], minlength=256) / len(codes)
    assert mean_error(tokenizer, vectors) <= 0.290
    assert len(np.unique(codes, axis=0)) / len(codes) >= 0.94
    assert np.exp(-(shares[shares > 0] * np.log(shares[shares > 0])).sum()) >= 200
