"""The residual walk: in place and out of place, whatever the blocks, with codebooks of any size."""

import pytest
import torch
from torch import Tensor

from semid.quantizers.kernels.residual import level_codebooks, residual_walk, sum_of_codewords

SIZES = (5, 3, 4)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


ROWS = normal(20, 6)
CODEBOOKS = [normal(size, 6, seed=level + 1) for level, size in enumerate(SIZES)]


def nearest(level: int, residual: Tensor) -> Tensor:
    return torch.cdist(residual.detach(), CODEBOOKS[level]).argmin(dim=1)


@pytest.mark.parametrize("row_block", [None, 1, 7, 20, 50])
def test_every_level_is_given_what_the_levels_before_left(row_block: int | None):
    left, rows = ROWS.clone(), ROWS.clone()
    seen = []
    for level, residual, codes in residual_walk(rows, 3, nearest, CODEBOOKS, row_block):
        assert torch.equal(residual, left)
        assert torch.equal(codes, nearest(level, left))
        left = left - CODEBOOKS[level][codes]
        seen.append(level)
    assert seen == [0, 1, 2]


def test_out_of_place_the_rows_stay_and_the_gradient_of_every_level_reaches_them():
    rows = ROWS.clone().requires_grad_()
    codebooks = [codebook.clone().requires_grad_() for codebook in CODEBOOKS]
    residuals = [residual for _, residual, _ in residual_walk(rows, 3, nearest, codebooks, in_place=False)]
    assert torch.equal(rows, ROWS)
    in_place = [residual.clone() for _, residual, _ in residual_walk(ROWS.clone(), 3, nearest, CODEBOOKS)]
    assert all(torch.equal(*pair) for pair in zip(residuals, in_place, strict=True))
    residuals[2].sum().backward()
    assert torch.equal(rows.grad, torch.ones_like(rows))
    assert all(codebook.grad is None for codebook in codebooks)


def test_a_codebook_may_be_made_or_moved_where_its_codes_are_handed_over():
    codebooks: list[Tensor] = []
    left = ROWS.clone()
    for level, residual, codes in residual_walk(ROWS.clone(), 3, nearest, codebooks):
        assert torch.equal(residual, left)
        codebooks.append(CODEBOOKS[level] + 1)
        left = left - codebooks[level][codes]


def test_the_last_codewords_are_not_subtracted():
    rows = ROWS.clone()
    for _, _, codes in residual_walk(rows, 1, nearest, CODEBOOKS):
        assert len(codes) == 20
    assert torch.equal(rows, ROWS)


def test_codewords_are_summed_from_padded_codebooks_or_from_those_of_the_levels():
    padded = torch.full((3, 5, 6), float("nan"))
    for level, codebook in enumerate(CODEBOOKS):
        padded[level, : len(codebook)] = codebook
    codes = torch.stack([torch.arange(8) % size for size in SIZES], dim=1)
    levels = level_codebooks(padded, SIZES)
    assert [len(codebook) for codebook in levels] == list(SIZES)
    assert all(torch.equal(*pair) for pair in zip(levels, CODEBOOKS, strict=True))
    expected = sum(codebook[codes[:, level]] for level, codebook in enumerate(CODEBOOKS))
    for codebooks in (padded, levels):
        torch.testing.assert_close(sum_of_codewords(codebooks, codes), expected)
