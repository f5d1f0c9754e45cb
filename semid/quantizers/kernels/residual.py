"""The residual walk: each level chooses a code for what the codewords of the levels before it have left.

The codebook of a level is a tensor [K, d], and K may differ between levels. `level_codebooks` takes these tensors from
the padded tensor [L, K, d] of a tokenizer.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from semid.quantizers.kernels.nearest import NearestCodeword


def residual_walk(
    residual: Tensor,
    num_levels: int,
    choose: Callable[[int, Tensor], Tensor],
    codebooks: Sequence[Tensor],
    row_block: int | None = None,
    in_place: bool = True,
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield (level, residual [n, d], codes int64 [n]) for each level, and subtract the codewords in between.

    `choose(level, residual)` gives the codes of a level. The codebook of a level is looked up only after the level was
    yielded, so that the caller may set or move it then. By default the rows are overwritten, `row_block` of them at a
    time (None takes all at once) through one buffer. Without `in_place` the residual of every level is a new tensor,
    and its gradient reaches the rows unchanged, because the codewords that are subtracted are detached.
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
    """Choose greedy codes, int64 [n, L], of rows [n, d] under the codebooks of the levels; overwrite `residuals`."""
    codes = torch.empty(len(residuals), len(levels), dtype=torch.int64, device=residuals.device)
    walk = residual_walk(residuals, len(levels), lambda level, residual: levels[level].codes(residual), codebooks)
    for level, _, chosen in walk:
        codes[:, level] = chosen
    return codes


def sum_of_codewords(codebooks: Sequence[Tensor] | Tensor, codes: Tensor) -> Tensor:
    """Sum the codewords that codes [n, ≥ L] name in the codebooks of L levels: [n, d]."""
    total = codebooks[0].index_select(0, codes[:, 0])
    for level in range(1, len(codebooks)):
        total += codebooks[level].index_select(0, codes[:, level])
    return total


def level_codebooks(codebooks: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """Return the codebook [size, d] of every level: codebooks [L, K, d] without the rows beyond the level's size."""
    return [codebook[:size] for codebook, size in zip(codebooks, sizes, strict=True)]
