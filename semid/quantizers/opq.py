"""OPQ: optimized product quantization, k-means in sub-spaces of a rotation that is learnt with the codebooks.

Ge, He, Ke and Sun, "Optimized Product Quantization" (2013). Training begins with their parametric solution, principal
directions shared out in balance, and goes on with their non-parametric one, updates of codebooks and rotation in turn.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

import torch
from annotated_types import Ge
from torch import Tensor

from semid.checks import doc
from semid.errors import InputError
from semid.quantizers.blocks import Vectors, empty_tensor
from semid.quantizers.compute import ON_CPU, Compute
from semid.quantizers.kmeans import kmeans
from semid.quantizers.nearest import NearestCodeword
from semid.quantizers.pca import principal_directions, project
from semid.quantizers.residual import level_codebooks, sum_of_codewords
from semid.quantizers.tokenizer import Tokenizer

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 10.0

# rows of a block in training, whatever those of encoding: blocks of other sizes round otherwise, and every update of a
# rotation would carry the difference on
_ROW_BLOCK = 2048
# variances below this share of the largest are rounding and count as equal
_VARIANCE_ROUNDING = 1e-7
# errors are differences of large numbers: below this share of the squared lengths they are rounding
_ERROR_ROUNDING = 1e-6


@dataclass(kw_only=True, eq=False)
class OPQ(Tokenizer):
    """One code for each of `num_levels` sub-spaces, the columns of the vectors after a rotation around their mean.

    The widths of the sub-spaces differ by one at most. `codebooks_` [L, K, dim] lie in the rotated space, and codewords
    are zero outside the columns of their sub-space, so that the codewords of an item add up to it.
    """

    kmeans_iters: Annotated[int, Ge(1), doc("Updates of the first k-means in each sub-space, at most.")] = 25
    rotation_iters: Annotated[int, Ge(0), doc("Updates of codebooks and rotation, at most; 0 trains no rotation.")] = (
        100
    )
    rotation_tolerance: Annotated[
        float, Ge(0), doc("Training stops when an update lowers the error by less than this share of it.")
    ] = 1e-4

    @property
    def dim(self) -> int:
        return len(self.mean_)

    @property
    def _columns(self) -> list[slice]:
        return subspaces(self.dim, self.num_levels)

    def fit(self, vectors: Vectors, compute: Compute = ON_CPU) -> Self:
        rows = self._training_rows(vectors, compute)
        dim = rows.shape[1]
        if self.num_levels > dim:
            raise InputError(f"num_levels is {self.num_levels}, more sub-spaces than the {dim} columns of the vectors")
        self._forget()
        mean, directions = principal_directions(rows, dim)
        self.mean_, directions = mean.to(compute.device), directions.to(compute.device)
        rows = rows.to(compute.device).sub_(self.mean_)
        rotation = directions[balanced_order(_variances(rows, directions), self._columns)]
        codebooks = self._first_codebooks(rows, rotation, compute)
        length = sum(float(part.square().sum()) for part in rows.split(_ROW_BLOCK)) / len(rows)
        self.rotation_, codebooks = self._train(rows, rotation, codebooks, length)
        codebooks = [merge_equal(codebook, _ERROR_ROUNDING * length) for codebook in codebooks]
        self.codebooks_ = rows.new_zeros(self.num_levels, self.codebook_size, dim)
        for padded, codebook, columns in zip(self.codebooks_, codebooks, self._columns, strict=True):
            padded[: len(codebook), columns] = codebook
        self.cluster_sizes_ = cluster_sums(rows, self.rotation_, codebooks)[1]
        return self

    def _first_codebooks(self, rows: Tensor, rotation: Tensor, compute: Compute) -> list[Tensor]:
        """The codebook [K, width] of each sub-space by k-means of the rotated rows [n, dim]."""
        codebooks = []
        for level, columns in enumerate(self._columns):
            started, axes = time.monotonic(), rotation[columns]
            on_cpu = rows.device.type == "cpu"
            shape = len(rows), len(axes)
            rotated = empty_tensor(*shape, scratch=compute.scratch) if on_cpu else rows.new_empty(shape)
            for part, target in zip(rows.split(_ROW_BLOCK), rotated.split(_ROW_BLOCK), strict=True):
                torch.mm(part, axes.t(), out=target)
            clustering = kmeans(
                rotated,
                self.sizes[level],
                iterations=self.kmeans_iters,
                seed=self.seed * 1_000 + level,
                row_block=_ROW_BLOCK,
                scratch=compute.scratch,
            )
            codebooks.append(clustering.centroids)
            logger.info(
                "sub-space %d of %d: error %.5f, %d iterations, %.1f s",
                *(level + 1, self.num_levels, clustering.error, clustering.iterations, time.monotonic() - started),
            )
        return codebooks

    def _train(
        self, rows: Tensor, rotation: Tensor, codebooks: list[Tensor], length: float
    ) -> tuple[Tensor, list[Tensor]]:
        """Rotation and codebooks after updates of both in turn, for centred rows [n, dim] of mean squared `length`.

        No update raises the error. It gives each row its nearest codewords, moves the codewords to the mean of their
        rows, turns the rows as near to their codewords as a rotation can, and the codewords with them. All but the
        first step needs no rows but their sums.
        """
        previous = float("inf")
        started = printed = time.monotonic()
        for iteration in range(self.rotation_iters):
            sums, sizes = cluster_sums(rows, rotation, codebooks)
            codebooks = mean_codewords(sums, sizes, rotation, codebooks)
            rotation = nearest_rotation(sums, codebooks)
            codebooks = mean_codewords(sums, sizes, rotation, codebooks)
            error = length - _squared_length(codebooks, sizes) / len(rows)
            if time.monotonic() - printed >= SECONDS_BETWEEN_LINES:
                printed = time.monotonic()
                logger.info(
                    "rotation: %d of at most %d updates, error %.5f, %.1f s",
                    *(iteration + 1, self.rotation_iters, error, printed - started),
                )
            if previous - error <= max(self.rotation_tolerance * error, _ERROR_ROUNDING * length):
                break
            previous = error
        return rotation, codebooks

    def latent(self, rows: Tensor) -> Tensor:
        return project(rows, self.mean_, self.rotation_)

    def _encoder(self, compute: Compute) -> Callable[[Tensor], Tensor]:
        spaces = [
            NearestCodeword(codebook[:, columns].contiguous(), compute.codeword_block)
            for codebook, columns in zip(level_codebooks(self.codebooks_, self.sizes), self._columns, strict=True)
        ]
        return lambda rows: product_codes(self.latent(rows), spaces)

    def _decode_block(self, codes: Tensor) -> Tensor:
        return sum_of_codewords(self.codebooks_, codes) @ self.rotation_ + self.mean_

    def _state(self) -> dict[str, Tensor]:
        return {
            "mean": self.mean_,
            "rotation": self.rotation_,
            "codebooks": self.codebooks_,
            "cluster_sizes": self.cluster_sizes_,
        }

    def _load(self, state: dict[str, Tensor], fitted: dict[str, Any]) -> None:
        self.mean_, self.rotation_ = state["mean"], state["rotation"]
        self.codebooks_, self.cluster_sizes_ = state["codebooks"], state["cluster_sizes"]

    def to(self, device: str) -> Self:
        self._load({name: tensor.to(device) for name, tensor in self._state().items()}, {})
        return self


def subspaces(dim: int, count: int) -> list[slice]:
    """The columns of each of `count` sub-spaces of a space of width `dim`; their widths differ by one at most."""
    return [slice(dim * space // count, dim * (space + 1) // count) for space in range(count)]


def balanced_order(variances: Tensor, spaces: Sequence[slice]) -> Tensor:
    """Which direction, int64 [dim], each column of the sub-spaces is, so that products of variances [dim] are even.

    The eigenvalue allocation of Ge et al.: the direction of the largest variance left goes to the sub-space whose
    variances have the smallest product, among those that have a column left.
    """
    logs = variances.clamp(min=_VARIANCE_ROUNDING * float(variances.max())).log()
    # of a variance below 1 the product would shrink with every direction
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
    """The nearest codeword of each sub-space, int64 [n, L], to its columns of rotated rows [n, dim]."""
    columns = subspaces(rotated.shape[1], len(spaces))
    return torch.stack(
        [space.codes(rotated[:, part].contiguous()) for space, part in zip(spaces, columns, strict=True)], dim=1
    )


def cluster_sums(rows: Tensor, rotation: Tensor, codebooks: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
    """Sums [K, dim] and numbers [L, K] of the centred rows [n, dim] of each code, sub-space by sub-space.

    The sums are of rows as they are, before the rotation [dim, dim] after which they get their codes.
    """
    nearest = [NearestCodeword(codebook) for codebook in codebooks]
    sums = [rows.new_zeros(len(codebook), rows.shape[1]) for codebook in codebooks]
    sizes = torch.zeros(len(codebooks), max(map(len, codebooks)), dtype=torch.int64, device=rows.device)
    for part in rows.split(_ROW_BLOCK):
        codes = product_codes(torch.nn.functional.linear(part, rotation), nearest)
        for level, level_codes in enumerate(codes.t()):
            sums[level].index_add_(0, level_codes, part)
            sizes[level] += torch.bincount(level_codes, minlength=sizes.shape[1])
    return sums, sizes


def mean_codewords(
    sums: Sequence[Tensor], sizes: Tensor, rotation: Tensor, codebooks: Sequence[Tensor]
) -> list[Tensor]:
    """The codebook [K, width] of each sub-space whose codewords are the mean of their rows after a rotation [dim, dim].

    Of a code without rows the codeword in `codebooks` stays.
    """
    means = []
    spaces = subspaces(len(rotation), len(sums))
    for codebook, total, size, columns in zip(codebooks, sums, sizes, spaces, strict=True):
        size = size[: len(total), None]
        mean = torch.nn.functional.linear(total / size.clamp(min=1), rotation[columns])
        means.append(torch.where(size > 0, mean, codebook))
    return means


def nearest_rotation(sums: Sequence[Tensor], codebooks: Sequence[Tensor]) -> Tensor:
    """The rotation or reflection R [dim, dim] of least Σ ‖R x − y‖² over rows x and their codewords y.

    Orthogonal Procrustes (Schönemann, 1966): R = V Uᵀ of the singular value decomposition Σ x yᵀ = U S Vᵀ. All rows of
    a code share its codeword, so that their `sums` [K, dim] will do. In float64 on the CPU.
    """
    pairs = zip(sums, codebooks, strict=True)
    products = [total.cpu().double().t() @ codebook.cpu().double() for total, codebook in pairs]
    u, _, v = torch.linalg.svd(torch.cat(products, dim=1))
    return (u @ v).t().float().contiguous().to(sums[0].device)


def merge_equal(codebook: Tensor, rounding: float) -> Tensor:
    """The codewords [K, width], each that has one before it within a squared distance of `rounding` replaced by that.

    Where there are fewer distinct rows than codes, codewords are rounded copies of each other, and so are equal rows
    after a rotation: which copy is nearest would depend on the place of the row in its block. Among equal codewords the
    first is taken, and of a chain of neighbours the first of the chain.
    """
    norms = codebook.square().sum(dim=1)
    parts = []
    for start, part in zip(range(0, len(codebook), _ROW_BLOCK), codebook.split(_ROW_BLOCK), strict=True):
        distances = torch.addmm(norms, part, codebook.t(), alpha=-2).add_(norms[start : start + len(part), None])
        distances.diagonal(start).zero_()
        parts.append((distances <= rounding).int().argmax(dim=1))
    equal_to = torch.cat(parts)
    while not torch.equal(equal_to, equal_to[equal_to]):
        equal_to = equal_to[equal_to]
    return codebook[equal_to]


def _variances(rows: Tensor, directions: Tensor) -> Tensor:
    """Variance, float64 [k] on the CPU, of centred rows [n, dim] along directions [k, dim]."""
    total = torch.zeros(len(directions), dtype=torch.float64)
    for part in rows.split(_ROW_BLOCK):
        total += torch.nn.functional.linear(part, directions).square().sum(dim=0).cpu().double()
    return total / len(rows)


def _squared_length(codebooks: Sequence[Tensor], sizes: Tensor) -> float:
    """Squared lengths of the codewords of all rows: of their own they lack the squared error, where codes are means."""
    lengths = [codebook.cpu().double().square().sum(dim=1) for codebook in codebooks]
    return sum(float((size.cpu()[: len(length)] * length).sum()) for length, size in zip(lengths, sizes, strict=True))
