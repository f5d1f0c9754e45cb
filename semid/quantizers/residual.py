"""The residual walk: a code a level, chosen for what the codewords of the levels before have left.

Codebooks are a tensor [K, d] a level, of any K; `level_codebooks` takes them from the tensor [L, K, d] of a tokenizer.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from semid.quantizers.nearest import NearestCodeword


def residual_walk(
    residual: Tensor,
    num_levels: int,
    choose: Callable[[int, Tensor], Tensor],
    codebooks: Sequence[Tensor],
    row_block: int | None = None,
    in_place: bool = True,
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield (level, residual [n, d], codes int64 [n]) level by level; subtract the codewords of each but the last.

    `choose` gives the codes of a residual at a level. The codebook of a level is looked up after the level was yielded,
    which may therefore set or move it. In place the rows given are overwritten, `row_block` (None: all) of them at a
    time through one buffer; else every level has a tensor of its own, with a gradient that passes every level before,
    because the codewords subtracted are detached.
    """
    block = max(1, len(residual) if row_block is None else row_block)
    codewords = torch.empty_like(residual[:block]) if in_place else None
    for level in range(num_levels):
        codes = choose(level, residual)
        yield level, residual, codes
        if level + 1 == num_levels:
            return
        codebook = codebooks[level].detach()
        if codewords is None:
            residual = residual - codebook.index_select(0, codes)
            continue
        for part, part_codes in zip(residual.split(block), codes.split(block), strict=True):
            part.sub_(torch.index_select(codebook, 0, part_codes, out=codewords[: len(part)]))


def residual_codes(residuals: Tensor, levels: Sequence[NearestCodeword], codebooks: Sequence[Tensor]) -> Tensor:
    """Greedy codes int64 [n, L] of rows [n, d] under the codebooks of the levels; overwrites `residuals`."""
    codes = torch.empty(len(residuals), len(levels), dtype=torch.int64, device=residuals.device)
    walk = residual_walk(residuals, len(levels), lambda level, residual: levels[level].codes(residual), codebooks)
    for level, _, chosen in walk:
        codes[:, level] = chosen
    return codes


def sum_of_codewords(codebooks: Sequence[Tensor] | Tensor, codes: Tensor) -> Tensor:
    """Sum [n, d] of the codewords that codes [n, ≥ L] name in the codebooks of L levels."""
    total = codebooks[0].index_select(0, codes[:, 0])
    for level in range(1, len(codebooks)):
        total += codebooks[level].index_select(0, codes[:, level])
    return total


def level_codebooks(codebooks: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """The codebook [size, d] of every level: codebooks [L, K, d] without the rows beyond its size."""
    return [codebook[:size] for codebook, size in zip(codebooks, sizes, strict=True)]
