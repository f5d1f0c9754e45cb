"""Sums of many rows, which float32 would get wrong: their means are right to a millionth."""

import numpy as np
import pytest
import torch

from semid.evaluation.queries import query_vectors
from semid.evaluation.settings import EvaluationSettings
from semid.quantizers.autoencoder.ema import EMACodebook
from semid.quantizers.kernels.kmeans import _cluster_sums, kmeans
from semid.quantizers.kernels.product import cluster_sums, mean_codewords
from semid.retrieval.ragged import Ragged
from semid.statistics.sums import FEW_ROWS, add_rows, empty_sums, mean_rows

MANY = 1_000_000


def test_float32_sums_of_so_many_rows_would_be_wrong():
    rows = torch.full((MANY, 1), 0.1)
    total = torch.zeros(1, 1).index_add_(0, torch.zeros(MANY, dtype=torch.int64), rows)
    assert abs(float(total) / MANY / float(rows[0]) - 1) > 1e-3


def test_means_of_kmeans_are_those_of_the_rows():
    rows = torch.tensor([[0.1], [-0.7]]).repeat(MANY // 2, 1)
    for row_block in (2048, MANY):
        clustering = kmeans(rows, 2, iterations=3, row_block=row_block)
        torch.testing.assert_close(clustering.centroids.sort(dim=0).values, rows[:2].flip(0), rtol=1e-6, atol=0)


def test_sums_are_corrected_as_exactly_as_they_are_made():
    generator = torch.Generator().manual_seed(0)
    rows = torch.rand(100_000, 1, generator=generator)
    before, sums = torch.full((len(rows),), -1), empty_sums(3, 1, len(rows), "cpu")
    labels = torch.randint(3, before.shape, generator=generator)
    for _ in range(20):
        sums = _cluster_sums(rows, labels, before, sums, 2048)
        before, labels = labels, labels.clone()
        moved = torch.randperm(len(rows), generator=generator)[:10_000]
        labels[moved] = (labels[moved] + 1) % 3
    expected = torch.stack([rows[before == code].double().sum(dim=0) for code in range(3)])
    torch.testing.assert_close(sums, expected, rtol=1e-12, atol=0)


def test_means_of_product_quantization_are_those_of_the_rows():
    rows = torch.tensor([[0.1, 0.3]]).repeat(MANY, 1)
    codebooks = [torch.zeros(1, 1), torch.zeros(1, 1)]
    sums, sizes = cluster_sums(rows, torch.eye(2), codebooks)
    means = mean_codewords(sums, sizes, torch.eye(2), codebooks)
    torch.testing.assert_close(torch.cat(means, dim=1), rows[:1], rtol=1e-6, atol=0)


def test_a_moving_average_of_a_large_batch_follows_its_mean():
    codebook = EMACodebook(1, 1, decay=1e-9, eps=1e-9, threshold_ema_dead_code=0)
    rows = torch.full((MANY, 1), 0.1)
    codebook.update(rows, torch.zeros(MANY, dtype=torch.int64), torch.Generator())
    torch.testing.assert_close(codebook.codebook, rows[:1], rtol=1e-6, atol=0)


def test_a_query_is_the_mean_of_a_long_history():
    vectors = np.array([[0.1, 0.2], [0.3, -0.1]], np.float32)
    items = np.tile([0, 1], MANY // 2)
    history = Ragged(items, np.array([0, MANY]))
    query = query_vectors(vectors, history, EvaluationSettings(query="mean"))
    mean = vectors.astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(query[0].numpy(), mean / np.linalg.norm(mean), rtol=1e-6)


@pytest.mark.parametrize("n", [FEW_ROWS, FEW_ROWS + 1])
def test_few_rows_are_summed_as_float32_and_more_exactly(n: int):
    rows = torch.rand(n, 3, generator=torch.Generator().manual_seed(0))
    codes = torch.arange(n) % 4
    sums = add_rows(empty_sums(5, 3, n, "cpu"), codes, rows)
    dtype = torch.float32 if n == FEW_ROWS else torch.float64
    assert torch.equal(sums, torch.zeros(5, 3, dtype=dtype).index_add_(0, codes, rows.to(dtype)))
    means = mean_rows(sums, torch.bincount(codes, minlength=5), "cpu")
    assert means.dtype == torch.float32
    torch.testing.assert_close(means[:4], torch.stack([rows[codes == code].mean(dim=0) for code in range(4)]))
    assert (means[4] == 0).all()
