"""Bounds along a few directions give the codes of exact distances."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_quantizers_screening import KINDS, assert_no_codeword_is_nearer, made, normal
from torch import Tensor

from semid.quantizers.kernels import assignment, compiled, nearest
from semid.quantizers.kernels.candidates import PairScores
from semid.quantizers.kernels.directions import LeadingDirections, leading_directions
from semid.quantizers.kernels.kmeans import kmeans
from semid.quantizers.kernels.nearest import NearestCodeword


def orthonormal(dim: int, count: int, seed: int = 0) -> Tensor:
    return torch.linalg.qr(normal(dim, count, seed=seed).double())[0].float()


def leading(codebook: Tensor, directions: Tensor) -> LeadingDirections:
    whole = NearestCodeword(codebook)
    return LeadingDirections(codebook, directions, lambda rows: whole(rows)[0])


def falling(n: int, dim: int, seed: int) -> Tensor:
    """Rows whose variance falls from direction to direction, as that of embeddings does."""
    return normal(n, dim, seed=seed) * torch.logspace(0, -2.5, dim) @ orthonormal(dim, dim)


def beside(codebook: Tensor, n: int, seed: int) -> Tensor:
    """Rows that lie near codewords, as embeddings lie near their clusters."""
    return codebook[torch.arange(n) * 7 % len(codebook)] + 0.3 * falling(n, codebook.shape[1], seed)


@pytest.fixture(params=["torch", "compiled"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(compiled, "_PRODUCTS_BEFORE", -1 if request.param == "compiled" else 1 << 60)
    return str(request.param)


@pytest.mark.parametrize("products_before", [-1, 1 << 60])
@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(KINDS),
    st.sampled_from(KINDS),
    st.integers(1, 200),
    st.integers(40, 300),
    st.integers(16, 130),
    st.floats(0.05, 1.0),
    st.integers(0, 999),
)
def test_no_codeword_is_nearer_than_the_one_found(
    products_before: int, rows_kind: str, codes_kind: str, n: int, k: int, dim: int, share: float, seed: int
):
    rows, codebook = made(rows_kind, n, dim, seed), made(codes_kind, k, dim, seed + 7)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(compiled, "_PRODUCTS_BEFORE", products_before)
        codes = leading(codebook, orthonormal(dim, max(1, int(share * dim)), seed))(rows)
    assert_no_codeword_is_nearer(rows, codebook, codes)


@pytest.mark.parametrize("index", [None, torch.arange(50) ** 2 % 20])
def test_scores_of_pairs_are_sums_of_float64(index: Tensor | None):
    rows, codebook = normal(20 if index is not None else 50, 70), normal(9, 70, seed=1)
    codes = torch.arange(50) ** 3 % 9
    found = PairScores(codebook)(rows, codes, index)
    products = (rows if index is None else rows[index]) * codebook[codes]
    expected = codebook.square().sum(dim=1, dtype=torch.float64)[codes] - 2 * products.sum(dim=1, dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-14, atol=1e-14)


def test_rows_that_are_codewords_get_their_own_code_and_the_lowest_of_equal_ones(way: str):
    codebook = normal(200, 64)
    directions = orthonormal(64, 16)
    assert leading(codebook, directions)(codebook).tolist() == list(range(200))
    twice = torch.cat([codebook, codebook])
    assert leading(twice, directions)(twice).tolist() == [*range(200), *range(200)]


def test_codes_do_not_depend_on_how_rows_are_split_nor_on_the_loop(way: str):
    codebook = falling(1024, 256, 2)
    rows = beside(codebook, 700, 1)
    directions = leading_directions(codebook, rows, 0.7)
    assert directions is not None
    search = leading(codebook, directions)
    whole = search(rows)
    assert torch.equal(torch.cat([search(part) for part in rows.split(123)]), whole)
    distances = torch.cdist(rows.double(), codebook.double())
    assert torch.equal(whole, distances.argmin(dim=1))
    assert search.pays


def test_codewords_too_close_to_tell_apart_are_compared_whole(way: str):
    codebook = normal(1, 64) + 1e-4 * normal(1024, 64, seed=1)
    rows = normal(1, 64) + 1e-4 * normal(2000, 64, seed=2)
    search = leading(codebook, orthonormal(64, 16))
    distances = torch.cdist(rows.double(), codebook.double()).square()
    found = distances.gather(1, search(rows)[:, None])[:, 0]
    assert (found <= distances.amin(dim=1) + 1e-6 * rows.double().square().sum(dim=1)).all()
    assert not search.pays


def test_directions_are_orthonormal_and_chosen_where_they_pay():
    codebook = falling(2048, 256, 3)
    rows = beside(codebook, 600, 4)
    found = leading_directions(codebook, rows, 0.7)
    assert found is not None
    torch.testing.assert_close(found.t() @ found, torch.eye(found.shape[1]), atol=1e-6, rtol=0)
    assert found.shape[1] < 128
    # nothing is along few directions
    assert leading_directions(normal(2048, 256), normal(600, 256, seed=1), 0.7) is None


def test_codes_are_looked_for_along_directions_after_many_scores(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nearest, "_SCORES_BEFORE", 4096 * 2048)
    monkeypatch.setattr(nearest, "can_screen", lambda *_, **__: False)
    codebook = falling(2048, 256, 3)
    rows = beside(codebook, 9000, 4)
    search = NearestCodeword(codebook)
    expected = torch.cat([search(part)[0] for part in rows.split(1024)])
    found, used = [], []
    for part in rows.split(1024):
        found.append(search.codes(part))
        used.append(search.directions is not None)
    assert used == [False] * 4 + [True] * 5
    assert torch.equal(torch.cat(found), expected)


def test_near_codes_hold_the_nearest_of_most_rows():
    codebook = falling(2048, 256, 3)
    rows = beside(codebook, 1000, 4)
    directions = leading_directions(codebook, rows, 0.7)
    assert directions is not None
    near = leading(codebook, directions).near(rows, 8)
    assert near.shape == (1000, 8)
    assert all(len(set(codes)) == 8 for codes in near.tolist())
    closest = torch.cdist(rows, codebook).argmin(dim=1)
    assert (near == closest[:, None]).any(dim=1).float().mean() > 0.95


def test_k_means_by_lists_ends_as_k_means_does_and_labels_every_row_with_its_nearest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    rows = falling(12_000, 256, 6)
    plain = kmeans(rows, 1100, iterations=12)
    monkeypatch.setattr(assignment, "_LISTS_FROM", 1100)
    listed = []
    original = assignment.Assignment._nearest_of_lists
    monkeypatch.setattr(
        assignment.Assignment,
        "_nearest_of_lists",
        lambda self, centroids: listed.append(len(centroids)) or original(self, centroids),
    )
    by_lists = kmeans(rows, 1100, iterations=12)
    # the lists lie where the caller wants what is as long as the rows
    assert torch.equal(kmeans(rows, 1100, iterations=12, scratch=tmp_path).labels, by_lists.labels)
    assert listed
    assert by_lists.error == pytest.approx(plain.error, rel=0.01)
    distances = torch.cdist(rows.double(), by_lists.centroids.double())
    found = distances.gather(1, by_lists.labels[:, None])[:, 0]
    assert (found <= distances.amin(dim=1) + 1e-5).all()
    assert torch.equal(by_lists.sizes, torch.bincount(by_lists.labels, minlength=1100))


def test_k_means_is_the_same_with_and_without_directions(monkeypatch: pytest.MonkeyPatch):
    rows = beside(falling(1500, 256, 5), 6000, 6)
    monkeypatch.setattr(nearest, "_SCORES_BEFORE", 0)
    for module in (assignment, nearest):
        monkeypatch.setattr(module, "can_screen", lambda *_, **__: False)
    used = []
    original = nearest.LeadingDirections.__call__
    monkeypatch.setattr(
        nearest.LeadingDirections, "__call__", lambda self, rows: used.append(len(rows)) or original(self, rows)
    )
    along = kmeans(rows, 1024, iterations=4, tolerance=0)
    assert used
    monkeypatch.setattr(nearest, "can_have_directions", lambda _: False)
    plain = kmeans(rows, 1024, iterations=4, tolerance=0)
    assert along.error == pytest.approx(plain.error, rel=1e-3)
    assert (along.labels == plain.labels).float().mean() > 0.98


def test_k_means_by_lists_fills_empty_clusters(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(assignment, "_LISTS_FROM", 1100)
    # seeds that are all but equal leave most clusters empty
    rows = falling(6000, 256, 7)
    monkeypatch.setattr(
        "semid.quantizers.kernels.kmeans.seed_centroids",
        lambda rows, k, _: rows[:k] * (torch.arange(k) < 1000)[:, None] + rows[:1] * (torch.arange(k) >= 1000)[:, None],
    )
    found = kmeans(rows, 1100, iterations=4, tolerance=0)
    assert int((found.sizes == 0).sum()) < 10


@pytest.mark.parametrize("value", [1e20, float("inf"), float("nan")])
def test_codes_of_rows_that_are_no_numbers_lie_in_the_codebook(value: float, way: str):
    codes = leading(normal(1025, 64), orthonormal(64, 16))(torch.full((3, 64), value))
    assert 0 <= int(codes.min()) <= int(codes.max()) < 1025
