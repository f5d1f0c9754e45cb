"""Nearest codewords and beams against their definitions."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from semid.quantizers.kernels import beam as beam_module
from semid.quantizers.kernels.beam import BeamSearch
from semid.quantizers.kernels.nearest import NearestCodeword
from semid.quantizers.kernels.residual import residual_codes
from semid.quantizers.kernels.top_k import lowest


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def squared_error(rows: Tensor, codebooks: Tensor, codes: Tensor) -> Tensor:
    quantized = sum(codebooks[level][codes[:, level]].double() for level in range(len(codebooks)))
    return (rows.double() - quantized).square().sum(dim=1)


def levels_of(codebooks: Tensor, codeword_block: int = 1024) -> list[NearestCodeword]:
    return [NearestCodeword(codebook, codeword_block) for codebook in codebooks]


@settings(deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 60),
    st.integers(1, 20),
    st.integers(1, 70),
    st.integers(0, 999),
    st.integers(0, 9),
)
def test_the_code_is_the_argmin_of_the_distances(n: int, k: int, dim: int, block: int, seed: int, offset: int):
    rows, codebook = normal(n, dim, seed=seed) + offset, normal(k, dim, seed=seed + 1) + offset
    codes, scores = NearestCodeword(codebook, block)(rows)
    distances = torch.cdist(rows.double(), codebook.double()).square()
    found = distances.gather(1, codes[:, None]).flatten()
    scale = rows.double().square().sum(dim=1)
    assert codes.dtype == torch.int64
    # the nearest to float32 rounding, and exactly the nearest where no other is as near as that
    assert bool((found - distances.amin(dim=1) <= 1e-5 * (1 + scale)).all())
    two = distances.topk(min(2, k), largest=False).values
    clear = two[:, -1] - two[:, 0] > 1e-5 * (1 + scale)
    assert torch.equal(codes[clear], distances.argmin(dim=1)[clear])
    torch.testing.assert_close(scores.double() + scale, found, rtol=1e-4, atol=1e-4 * float(1 + scale.max()))


@pytest.mark.parametrize("block", [1, 2, 3, 4, 7, 100])
def test_among_equal_codewords_the_lowest_code_wins_across_blocks(block: int):
    # small integers: every score is exact
    rows = torch.tensor([[1.0, 0.0], [0.0, 2.0], [5.0, 5.0]])
    codebook = torch.tensor([[9.0, 9.0], [0.0, 2.0], [1.0, 0.0], [0.0, 2.0], [1.0, 0.0], [1.0, 0.0], [9.0, 9.0]])
    codes, scores = NearestCodeword(codebook, block)(rows)
    assert codes.tolist() == [2, 1, 0]
    assert scores.tolist() == [-1.0, -4.0, 162.0 - 180.0]


def test_one_instance_serves_blocks_of_any_size():
    rows, codebook = normal(50, 6), normal(9, 6, seed=1)
    nearest = NearestCodeword(codebook, 4)
    whole = nearest(rows)[0].clone()
    parts = [nearest(part)[0] for part in rows.split([1, 30, 2, 17])]
    assert torch.equal(torch.cat(parts), whole)


def test_greedy_codes_take_the_nearest_codeword_of_what_is_left():
    codebooks, rows = normal(3, 7, 5), normal(20, 5, seed=1)
    codes = residual_codes(rows.clone(), levels_of(codebooks), codebooks)
    expected = rows.clone()
    for level in range(3):
        closest = torch.cdist(expected, codebooks[level]).argmin(dim=1)
        assert torch.equal(codes[:, level], closest)
        expected -= codebooks[level][closest]


@pytest.mark.parametrize("k", [1, 31, 32, 64, 96, 256])
def test_the_lowest_score_is_the_first_of_equal_ones(k: int):
    scores = torch.randint(5, (50, k), generator=torch.Generator().manual_seed(k)).float()
    values, columns = lowest(scores)
    assert torch.equal(values, scores.amin(dim=1))
    assert columns.tolist() == [row.index(min(row)) for row in scores.tolist()]


@pytest.mark.parametrize("beam", [2, 4, 16])
def test_a_beam_finds_the_same_codes_with_and_without_tables(beam: int, monkeypatch: pytest.MonkeyPatch):
    codebooks, rows = normal(4, 256, 24) * torch.tensor([1.0, 0.8, 0.6, 0.5])[:, None, None], normal(300, 24, seed=1)
    with_tables = BeamSearch(codebooks, beam)(rows)
    monkeypatch.setattr(beam_module, "_TABLES_AT_MOST", 0)
    without = BeamSearch(codebooks, beam)(rows)
    assert (with_tables == without).all(dim=1).float().mean() > 0.98
    torch.testing.assert_close(
        squared_error(rows, codebooks, with_tables), squared_error(rows, codebooks, without), rtol=1e-3, atol=1e-4
    )


def test_codebooks_too_large_for_tables_are_read_for_64_rows_or_more(monkeypatch: pytest.MonkeyPatch):
    blocks: list[int] = []
    search = BeamSearch(normal(2, 4200, 3), 64)
    monkeypatch.setattr(search, "_codes", lambda part: blocks.append(len(part)) or part)
    search(normal(100, 3))
    assert blocks == [64, 36]


def test_a_beam_of_one_is_greedy():
    codebooks, rows = normal(3, 7, 5), normal(20, 5, seed=1)
    greedy = residual_codes(rows.clone(), levels_of(codebooks), codebooks)
    assert torch.equal(BeamSearch(codebooks, 1)(rows), greedy)


@pytest.mark.parametrize(("n_levels", "size"), [(1, 5), (2, 6), (3, 4), (4, 3)])
def test_a_beam_of_all_partial_codes_finds_the_best_of_all_codes(n_levels: int, size: int):
    codebooks, rows = normal(n_levels, size, 6), normal(60, 6, seed=1) * 2
    codes = BeamSearch(codebooks, size**n_levels)(rows)
    every = torch.tensor(list(itertools.product(range(size), repeat=n_levels)))
    points = sum(codebooks[level][every[:, level]] for level in range(n_levels))
    best = torch.cdist(rows.double(), points.double()).square().amin(dim=1)
    torch.testing.assert_close(squared_error(rows, codebooks, codes), best, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("tables", [True, False])
@pytest.mark.parametrize("sizes", [(6, 3), (2, 7, 3), (5, 1, 4), (3, 4, 2, 5), (64, 3)])
def test_a_beam_of_all_partial_codes_finds_the_best_of_levels_of_unlike_sizes(
    sizes: tuple[int, ...], tables: bool, monkeypatch: pytest.MonkeyPatch
):
    if not tables:
        monkeypatch.setattr(beam_module, "_TABLES_AT_MOST", 0)
    codebooks = [normal(size, 6, seed=level) for level, size in enumerate(sizes)]
    rows = normal(60, 6, seed=9) * 2
    codes = BeamSearch(codebooks, math.prod(sizes))(rows)
    every = torch.tensor(list(itertools.product(*map(range, sizes))))
    points = sum(codebooks[level][every[:, level]] for level in range(len(sizes)))
    best = torch.cdist(rows.double(), points.double()).square().amin(dim=1)
    torch.testing.assert_close(squared_error(rows, codebooks, codes), best, rtol=1e-5, atol=1e-5)
    greedy = residual_codes(rows.clone(), levels_of(codebooks), codebooks)
    assert torch.equal(BeamSearch(codebooks, 1)(rows), greedy)


def test_a_wider_beam_lowers_the_mean_error():
    codebooks, rows = normal(4, 16, 8) * torch.tensor([1.0, 0.6, 0.4, 0.3])[:, None, None], normal(500, 8, seed=1)
    errors = [float(squared_error(rows, codebooks, BeamSearch(codebooks, beam)(rows)).mean()) for beam in (1, 2, 4, 16)]
    assert errors == sorted(errors, reverse=True)
    assert errors[2] < 0.95 * errors[0]


def test_a_beam_does_not_change_the_rows():
    codebooks, rows = normal(2, 5, 3), normal(10, 3, seed=1)
    kept = rows.clone()
    BeamSearch(codebooks, 3)(rows)
    assert torch.equal(rows, kept)
