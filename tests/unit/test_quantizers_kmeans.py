"""k-means and principal directions against scikit-learn and against what must hold of them."""

import logging
from itertools import pairwise

import numpy as np
import pytest
import sklearn.cluster
import sklearn.decomposition
import torch
from torch import Tensor

from semid.quantizers.kernels import kmeans as module
from semid.quantizers.kernels.kmeans import SEED_SCALE, kmeans, residual_kmeans
from semid.quantizers.kernels.nearest import NearestCodeword
from semid.quantizers.kernels.principal_components import principal_directions, project
from semid.quantizers.kernels.seeding import seed_centroids


def mixture(n: int = 800, dim: int = 6, centres: int = 9, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    means = 3 * torch.randn(centres, dim, generator=generator)
    chosen = torch.randint(centres, (n,), generator=generator)
    return means[chosen] + torch.randn(n, dim, generator=generator)


def begin_at(monkeypatch: pytest.MonkeyPatch, centroids: Tensor) -> None:
    monkeypatch.setattr(module, "seed_centroids", lambda *_: centroids.clone())


@pytest.mark.parametrize("iterations", [1, 3, 200])
def test_lloyd_equals_scikit_learn_from_the_same_start(iterations: int, monkeypatch: pytest.MonkeyPatch):
    rows = mixture()
    seeds = rows[:12]
    begin_at(monkeypatch, seeds)
    found = kmeans(rows, 12, iterations=iterations, tolerance=0)
    peer = sklearn.cluster.KMeans(12, init=seeds.numpy(), n_init=1, max_iter=iterations, tol=0, algorithm="lloyd")
    peer.fit(rows.double().numpy())
    np.testing.assert_array_equal(found.labels, peer.labels_)
    np.testing.assert_allclose(found.error, peer.inertia_ / len(rows), rtol=1e-5)
    # scikit-learn stops at the assignment that changes nothing, an update earlier or at the same centroids
    np.testing.assert_allclose(found.centroids, peer.cluster_centers_, rtol=1e-4, atol=1e-4)


def test_the_result_describes_itself():
    rows = mixture()
    found = kmeans(rows, 12)
    distances = torch.cdist(rows.double(), found.centroids.double()).square()
    assert torch.equal(found.labels, distances.argmin(dim=1))
    assert torch.equal(found.sizes, torch.bincount(found.labels, minlength=12))
    assert found.error == pytest.approx(float(distances.amin(dim=1).mean()), rel=1e-5)
    # what encode will do with the centroids
    assert torch.equal(NearestCodeword(found.centroids)(rows)[0], found.labels)


def test_the_error_does_not_rise_with_more_iterations():
    rows = mixture(centres=40)
    errors = [kmeans(rows, 40, iterations=iterations, tolerance=0).error for iterations in range(1, 15)]
    assert all(after <= before * (1 + 1e-6) for before, after in pairwise(errors))
    assert errors[-1] < errors[0]


def test_it_stops_when_an_update_lowers_the_error_by_less_than_the_tolerance():
    rows = mixture(centres=40)
    exact, early = kmeans(rows, 40, iterations=100, tolerance=0), kmeans(rows, 40, iterations=100, tolerance=0.01)
    assert early.iterations < exact.iterations < 100
    assert exact.error <= early.error < 1.05 * exact.error


def test_empty_clusters_are_refilled_by_splitting_large_ones(monkeypatch: pytest.MonkeyPatch):
    rows = torch.cat([mixture(300, centres=1, seed=seed) for seed in (1, 2, 3, 4)])
    # all rows go to the first seed, the others are empty
    begin_at(monkeypatch, torch.cat([rows[:1], torch.full((3, 6), 1e3)]))
    found = kmeans(rows, 4)
    assert bool((found.sizes > 0).all())
    assert found.error < 1.1 * sklearn.cluster.KMeans(4, n_init=5, random_state=0).fit(rows.numpy()).inertia_ / 1200


def test_no_outlier_makes_a_cluster_when_an_empty_one_is_refilled(monkeypatch: pytest.MonkeyPatch):
    # two blobs and one far row; a seed too many: refilling with the farthest row would give it the far row
    generator = torch.Generator().manual_seed(0)
    blobs = torch.randn(400, 2, generator=generator) + torch.tensor([[10.0, 0.0]] * 300 + [[0.0, 10.0]] * 100)
    rows = torch.cat([blobs, torch.tensor([[10.0, 9.0]])])
    begin_at(monkeypatch, torch.tensor([[10.0, 0.0], [0.0, 10.0], [-1e3, -1e3]]))
    found = kmeans(rows, 3, iterations=2, tolerance=0)
    assert int(found.sizes.min()) > 50


def test_a_cluster_for_every_row_leaves_no_error():
    for n in (7, 300):
        rows = mixture(n)
        found = kmeans(rows, n)
        assert found.error <= 1e-5 * float(rows.square().sum(dim=1).mean())
        assert found.sizes.tolist() == [1] * n


def test_one_cluster_is_the_mean():
    rows = mixture()
    found = kmeans(rows, 1)
    torch.testing.assert_close(found.centroids[0], rows.mean(dim=0))
    assert found.error == pytest.approx(float(rows.var(dim=0, correction=0).sum()), rel=1e-5)


@pytest.mark.parametrize("k", [50, 700])  # one row a round, and several
def test_the_seeds_are_distinct_rows(k: int):
    rows = mixture(800)
    seeds = seed_centroids(rows, k, torch.Generator().manual_seed(0))
    places = [int(place) for place in (seeds[:, None] == rows).all(dim=2).float().argmax(dim=1)]
    assert torch.equal(rows[places], seeds)
    assert len(set(places)) == k


def test_the_seeds_are_spread_over_far_groups():
    # uniform seeding would miss the nine small groups
    rows = torch.cat([torch.randn(5_000, 3) * 0.1, *(torch.randn(3, 3) * 0.1 + 100 * (n + 1) for n in range(9))])
    seeds = seed_centroids(rows, 10, torch.Generator().manual_seed(0))
    assert len({round(float(seed.mean()) / 100) for seed in seeds}) == 10


def test_fewer_distinct_rows_than_clusters_leave_clusters_unused_which_is_said(caplog: pytest.LogCaptureFixture):
    rows = mixture(6).repeat(50, 1)
    found = kmeans(rows, 10)
    assert int((found.sizes > 0).sum()) == 6
    assert [record.message for record in caplog.records] == [
        "there are fewer distinct rows than clusters: 4 of 10 clusters start empty",
        "4 of 10 clusters stay unused",
    ]
    assert found.error <= 1e-5 * float(rows.square().sum(dim=1).mean())
    assert bool(torch.isfinite(found.centroids).all())


def test_a_sample_with_too_few_distinct_rows_leaves_no_cluster_unused(caplog: pytest.LogCaptureFixture):
    rows = torch.cat([torch.ones(40_000, 6), mixture(1_000)])
    found = kmeans(rows, 512)
    assert bool((found.sizes > 0).all())
    (warning,) = (record.message for record in caplog.records)
    assert warning.startswith("the sample of 12,288 rows to start from has fewer distinct rows than clusters: ")


def test_rounding_far_from_the_origin_does_not_seed_one_row_twice():
    rows = (mixture(6) + 100).repeat(50, 1)
    seeds = seed_centroids(rows, 10, torch.Generator().manual_seed(0))
    assert len(torch.unique(seeds[:6], dim=0)) == 6
    assert torch.equal(seeds[6:], seeds[:1].expand(4, -1))


def test_more_clusters_than_rows_are_refused_with_both_numbers():
    with pytest.raises(ValueError, match="11 clusters of 10 rows"):
        kmeans(mixture(10), 11)


def test_the_seed_fixes_the_result():
    rows = mixture(centres=40)
    first, again, other = kmeans(rows, 30, seed=1), kmeans(rows, 30, seed=1), kmeans(rows, 30, seed=2)
    assert torch.equal(first.centroids, again.centroids)
    assert not torch.equal(first.centroids, other.centroids)


@pytest.mark.parametrize(
    "blocks", [{"row_block": 7}, {"codeword_block": 3}, {"row_block": 100, "codeword_block": 1}], ids=str
)
def test_block_sizes_change_rounding_alone(blocks: dict):
    rows = mixture(centres=12)
    whole, blocked = kmeans(rows, 12), kmeans(rows, 12, **blocks)
    assert (whole.labels != blocked.labels).float().mean() <= 0.005
    torch.testing.assert_close(whole.centroids, blocked.centroids, rtol=0.01, atol=0.01)


def test_the_rows_are_not_changed():
    rows = mixture()
    kept = rows.clone()
    kmeans(rows, 20)
    assert torch.equal(rows, kept)


def spread(n: int = 500, dim: int = 10) -> Tensor:
    """Rows off the origin whose principal directions are well apart."""
    generator = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(dim, dim, generator=generator)).Q
    return torch.randn(n, dim, generator=generator) * torch.linspace(3, 0.3, dim) @ turn + 5


def test_principal_directions_equal_scikit_learn_up_to_sign():
    rows = spread()
    mean, directions = principal_directions(rows, 4)
    peer = sklearn.decomposition.PCA(4, svd_solver="full").fit(rows.double().numpy())
    np.testing.assert_allclose(mean, peer.mean_, rtol=1e-5)
    cosines = (directions.double().numpy() * peer.components_).sum(axis=1)
    np.testing.assert_allclose(np.abs(cosines), 1, atol=1e-6)
    np.testing.assert_allclose(
        project(rows, mean, directions), peer.transform(rows.double().numpy()) * np.sign(cosines), atol=1e-3
    )


@pytest.mark.parametrize("n_directions", [1, 4, 10])
def test_principal_directions_are_orthonormal_and_their_largest_entry_is_positive(n_directions: int):
    _, directions = principal_directions(spread(), n_directions)
    assert directions.dtype == torch.float32
    torch.testing.assert_close(directions @ directions.t(), torch.eye(n_directions), rtol=0, atol=1e-6)
    assert bool((directions.gather(1, directions.abs().argmax(dim=1, keepdim=True)) > 0).all())


def test_principal_directions_do_not_depend_on_the_block():
    mean, directions = principal_directions(spread(), 5)
    for block in (1, 33):
        other_mean, other = principal_directions(spread(), 5, block=block)
        torch.testing.assert_close(other_mean, mean)
        torch.testing.assert_close(other, directions, rtol=0, atol=1e-5)


def test_the_log_counts_iterations_up_to_their_limit(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0)
    caplog.set_level(logging.INFO)
    kmeans(mixture(), 12, iterations=3, tolerance=0)
    lines = [record.getMessage() for record in caplog.records]
    assert [line.partition(" iterations")[0] for line in lines] == [f"k-means: {n} of at most 3" for n in (1, 2, 3)]


def residual_codebooks(rows: Tensor, seed_scale: float) -> tuple[Tensor, Tensor]:
    options = {"iterations": 25, "seed": 0, "row_block": 512, "codeword_block": 64, "scratch": None}
    return residual_kmeans(rows.clone(), [32] * 3, seed_scale=seed_scale, **options)


def test_later_levels_that_begin_near_the_origin_leave_no_outlier_alone():
    generator = torch.Generator().manual_seed(0)
    # almost orthogonal residuals of unequal lengths, as those of text embeddings are
    lengths = 1 + 2 * torch.rand(2_000, 1, generator=generator)
    rows = lengths * torch.randn(2_000, 128, generator=generator) * (1 + torch.arange(128) / 8).rsqrt()
    errors, sizes = {}, {}
    for seed_scale in (1.0, SEED_SCALE):
        codebooks, sizes[seed_scale] = residual_codebooks(rows, seed_scale)
        left = rows.clone()
        for codebook in codebooks:
            left -= codebook[NearestCodeword(codebook).codes(left)]
        errors[seed_scale] = float(left.square().sum())
        if seed_scale == 1:
            first = codebooks[0]
    assert torch.equal(codebooks[0], first)  # the first level begins with rows
    assert (sizes[1.0][2] == 1).sum() > 4
    assert (sizes[SEED_SCALE][1:] > 1).all()
    assert errors[SEED_SCALE] < errors[1.0]
