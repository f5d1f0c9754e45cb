"""Screening by int8 products gives the codes of exact distances."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from semid.quantizers.kernels import nearest as nearest_module
from semid.quantizers.kernels.kmeans import kmeans
from semid.quantizers.kernels.nearest import NearestCodeword
from semid.quantizers.kernels.screening import ScreenedCodewords, can_screen, quantize_rows

needs_int8 = pytest.mark.skipif(
    not can_screen(torch.ones(1024, 32)), reason="this processor has no int8 dot products to screen with"
)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def screened(codebook: Tensor) -> ScreenedCodewords:
    return ScreenedCodewords(codebook, codebook.mean(dim=0))


def made(kind: str, n: int, dim: int, seed: int) -> Tensor:
    rows = normal(n, dim, seed=seed)
    if kind == "sparse":
        return rows * (normal(n, dim, seed=seed + 1) > 1.5)
    if kind == "outlier dimension":
        rows[:, 0] = 40 + rows[:, 0]
    if kind == "scales":
        return rows * torch.logspace(-6, 3, n)[:, None]
    if kind == "far from the origin":
        return rows + 30
    if kind == "repeated":
        return rows[torch.arange(n) % max(1, n // 3)]
    return rows


KINDS = ["normal", "sparse", "outlier dimension", "scales", "far from the origin", "repeated"]


def assert_no_codeword_is_nearer(rows: Tensor, codebook: Tensor, codes: Tensor) -> None:
    assert codes.dtype == torch.int64
    assert 0 <= int(codes.min()) <= int(codes.max()) < len(codebook)
    distances = (rows.double()[:, None] - codebook.double()).square().sum(dim=2)
    found = distances.gather(1, codes[:, None])[:, 0]
    # whatever the center or the directions
    rounding = 1e-6 * (rows.double().square().sum(dim=1) + codebook.double().square().sum(dim=1).max())
    assert (found <= distances.amin(dim=1) + rounding).all()


@needs_int8
@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(KINDS),
    st.sampled_from(KINDS),
    st.integers(1, 200),
    st.integers(64, 300),
    st.integers(32, 130),
    st.integers(0, 999),
    st.sampled_from([0.0, 1.0, -3.0]),
)
def test_no_codeword_is_nearer_than_the_one_found(rows_kind, codes_kind, n, k, dim, seed, shift):
    rows, codebook = made(rows_kind, n, dim, seed), made(codes_kind, k, dim, seed + 7)
    codes = ScreenedCodewords(codebook, codebook.mean(dim=0) + shift)(rows)
    if codes is None:  # refused: too many codewords lie between the bounds
        return
    assert_no_codeword_is_nearer(rows, codebook, codes)


def test_a_torch_that_cannot_tell_the_processor_compares_in_float32(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    codebook = normal(1024, 32)
    nearest = NearestCodeword(codebook)
    assert not nearest.screens
    assert nearest.codes(codebook).tolist() == list(range(1024))


@needs_int8
@pytest.mark.parametrize("kind", ["normal", "sparse", "scales", "repeated"])
def test_ordinary_rows_are_screened(kind: str):
    assert screened(normal(512, 96))(made(kind, 300, 96, 3)) is not None


@needs_int8
def test_rows_that_are_codewords_get_their_own_code_and_the_lowest_of_equal_ones():
    codebook = normal(200, 64)
    assert screened(codebook)(codebook).tolist() == list(range(200))
    twice = torch.cat([codebook, codebook])
    assert screened(twice)(twice).tolist() == [*range(200), *range(200)]


@needs_int8
def test_codes_do_not_depend_on_how_rows_are_split():
    rows, center = normal(700, 64, seed=1), normal(1, 64, seed=2)[0]
    screen = ScreenedCodewords(normal(1024, 64), center)
    parts = torch.cat([screen(part) for part in rows.split(123)])
    assert torch.equal(screen(rows), parts)
    assert torch.equal(screen(rows, quantize_rows(rows, center)), parts)


@needs_int8
def test_codewords_too_close_to_tell_apart_are_left_to_float32():
    codebook = normal(1, 64) + 1e-4 * normal(1024, 64, seed=1)
    rows = normal(1, 64) + 1e-4 * normal(200, 64, seed=2)
    assert screened(codebook)(rows) is None
    nearest = NearestCodeword(codebook)
    assert nearest.screens
    assert torch.equal(nearest.codes(rows), nearest(rows)[0])
    assert not nearest.screens


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e5, 2e7])
def test_codebooks_of_any_scale_are_searched_for_rows_of_zeros_too(scale: float):
    codebook = scale * normal(1030, 384)
    nearest = NearestCodeword(codebook)
    rows = torch.cat([torch.zeros(1, 384), codebook[:300]])
    assert nearest.codes(rows).tolist() == [int(codebook.square().sum(dim=1).argmin()), *range(300)]


def test_quantized_rows_say_how_far_rounding_moved_them():
    rows = made("scales", 50, 40, 0)
    center = normal(1, 40, seed=1)[0]
    rows[7] = center
    values, inverse_scale, error, norm = quantize_rows(rows, center)
    scaled = (rows - center).double() * inverse_scale.double()[:, None]
    assert int(values.abs().amax()) == 127
    torch.testing.assert_close((scaled - values).norm(dim=1), error.double(), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(values.double().norm(dim=1), norm.double())


@needs_int8
def test_k_means_is_the_same_with_and_without_screening(monkeypatch: pytest.MonkeyPatch):
    rows = normal(6000, 32) + 3 * normal(40, 32, seed=1)[torch.arange(6000) % 40]
    screened = kmeans(rows, 1024, iterations=4, tolerance=0)
    monkeypatch.setattr(nearest_module, "can_screen", lambda *_, **__: False)
    plain = kmeans(rows, 1024, iterations=4, tolerance=0)
    assert screened.error == pytest.approx(plain.error, rel=1e-3)
    assert (screened.labels == plain.labels).float().mean() > 0.98
