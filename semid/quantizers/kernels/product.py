"""Product quantization in sub-spaces of a rotation: its codes, and the updates of its codebooks and its rotation.

Ge, He, Ke and Sun, "Optimized Product Quantization" (2013).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from semid.quantizers.kernels.nearest import NearestCodeword
from semid.statistics.sums import add_rows, empty_sums, mean_rows

# training goes over this many rows at a time, whatever the block of encoding: blocks of another size round otherwise,
# and the differences would add up over the updates of a rotation
ROW_BLOCK = 2048
# variances below this share of the largest are rounding and count as equal
_VARIANCE_ROUNDING = 1e-7


def subspaces(dim: int, count: int) -> list[slice]:
    """Return the columns of each of `count` sub-spaces of a space of width `dim`; widths differ by one at most."""
    return [slice(dim * space // count, dim * (space + 1) // count) for space in range(count)]


def balanced_order(variances: Tensor, spaces: Sequence[slice]) -> Tensor:
    """Choose a direction for each column of the sub-spaces, int64 [dim], so that their products of variances are even.

    This is the eigenvalue allocation of Ge et al.: among the directions that are left, the one of the largest of the
    variances [dim] goes to the sub-space whose variances have the smallest product, if it has a column left.
    """
    logs = variances.clamp(min=_VARIANCE_ROUNDING * float(variances.max())).log()
    # a product would shrink with every direction whose variance is below 1
    logs = (logs - logs.min()).nan_to_num()
    products = [0.0] * len(spaces)
    directions: list[list[int]] = [[] for _ in spaces]
    for direction in logs.argsort(descending=True, stable=True).tolist():
        open_spaces = [
            space for space, columns in enumerate(spaces) if len(directions[space]) < columns.stop - columns.start
        ]
        space = min(open_spaces, key=lambda space: products[space])
        directions[space].append(direction)
        products[space] += float(logs[direction])
    return torch.tensor([direction for space in directions for direction in space])


def product_codes(rotated: Tensor, spaces: Sequence[NearestCodeword]) -> Tensor:
    """Find the nearest codeword of each sub-space, int64 [n, L], to its columns of rotated rows [n, dim]."""
    columns = subspaces(rotated.shape[1], len(spaces))
    return torch.stack(
        [space.codes(rotated[:, part].contiguous()) for space, part in zip(spaces, columns, strict=True)], dim=1
    )


def cluster_sums(rows: Tensor, rotation: Tensor, codebooks: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
    """Sum the centred rows [n, dim] of each code, [K, dim] for each sub-space, and count them, [L, K].

    Rows get their codes after the rotation [dim, dim], but are summed as they are before it.
    """
    nearest = [NearestCodeword(codebook) for codebook in codebooks]
    sums = [empty_sums(len(codebook), rows.shape[1], len(rows), rows.device) for codebook in codebooks]
    sizes = torch.zeros(len(codebooks), max(map(len, codebooks)), dtype=torch.int64, device=rows.device)
    for part in rows.split(ROW_BLOCK):
        codes = product_codes(torch.nn.functional.linear(part, rotation), nearest)
        summed = part.to(sums[0])
        for level, level_codes in enumerate(codes.t()):
            add_rows(sums[level], level_codes, summed)
            sizes[level] += torch.bincount(level_codes, minlength=sizes.shape[1])
    return sums, sizes


def mean_codewords(
    sums: Sequence[Tensor], sizes: Tensor, rotation: Tensor, codebooks: Sequence[Tensor]
) -> list[Tensor]:
    """Return for each sub-space the codebook [K, width] of the means of its rows after a rotation [dim, dim].

    A code without rows keeps its codeword in `codebooks`.
    """
    means = []
    spaces = subspaces(len(rotation), len(sums))
    for codebook, total, size, columns in zip(codebooks, sums, sizes, spaces, strict=True):
        size = size[: len(total)]
        mean = torch.nn.functional.linear(mean_rows(total, size, codebook.device), rotation[columns])
        means.append(torch.where(size[:, None] > 0, mean, codebook))
    return means


def nearest_rotation(sums: Sequence[Tensor], codebooks: Sequence[Tensor]) -> Tensor:
    """Return the rotation or reflection R [dim, dim] of least Σ ‖R x − y‖² over rows x and their codewords y.

    This is the orthogonal Procrustes problem (Schönemann, 1966): R = V Uᵀ of the singular value decomposition
    Σ x yᵀ = U S Vᵀ. All rows of a code share its codeword, so that their `sums` [K, dim] suffice. It is solved in
    float64 on the CPU.
    """
    pairs = zip(sums, codebooks, strict=True)
    products = [total.cpu().double().t() @ codebook.cpu().double() for total, codebook in pairs]
    u, _, v = torch.linalg.svd(torch.cat(products, dim=1))
    return (u @ v).t().float().contiguous().to(codebooks[0].device)


def merge_equal(codebook: Tensor, rounding: float) -> Tensor:
    """Replace each codeword of a codebook [K, width] by the first codeword within a squared distance of `rounding`.

    Where there are fewer distinct rows than codes, some codewords differ by rounding alone. Equal rows also differ by
    rounding after a rotation, so that the nearest of such codewords would depend on a row's place in its block. In a
    chain of close codewords, the first of the chain replaces all.
    """
    norms = codebook.square().sum(dim=1)
    parts = []
    for start, part in zip(range(0, len(codebook), ROW_BLOCK), codebook.split(ROW_BLOCK), strict=True):
        distances = torch.addmm(norms, part, codebook.t(), alpha=-2).add_(norms[start : start + len(part), None])
        distances.diagonal(start).zero_()
        parts.append((distances <= rounding).int().argmax(dim=1))
    equal_to = torch.cat(parts)
    while not torch.equal(equal_to, equal_to[equal_to]):
        equal_to = equal_to[equal_to]
    return codebook[equal_to]


def variances_along(rows: Tensor, directions: Tensor) -> Tensor:
    """Return the variance of centred rows [n, dim] along directions [k, dim], float64 [k] on the CPU."""
    total = torch.zeros(len(directions), dtype=torch.float64)
    for part in rows.split(ROW_BLOCK):
        total += torch.nn.functional.linear(part, directions).square().sum(dim=0).cpu().double()
    return total / len(rows)


def squared_length_of_codewords(codebooks: Sequence[Tensor], sizes: Tensor) -> float:
    """Sum the squared lengths of the codewords of all rows.

    Where codewords are means, it is less than the squared length of the rows by their squared error.
    """
    lengths = [codebook.cpu().double().square().sum(dim=1) for codebook in codebooks]
    return sum(float((size.cpu()[: len(length)] * length).sum()) for length, size in zip(lengths, sizes, strict=True))
