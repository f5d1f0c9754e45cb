"""OPQ: optimized product quantization, k-means in sub-spaces of a rotation that is learnt with the codebooks.

Ge, He, Ke and Sun, "Optimized Product Quantization" (2013). Training begins with their parametric solution, in which
principal directions are shared out in balance. It goes on with their non-parametric solution, in which codebooks and
rotation are updated in turn.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Self

import torch
from annotated_types import Ge
from torch import Tensor

from semid.checks import doc, documented
from semid.errors import InputError
from semid.progress import Progress
from semid.quantizers.compute import Compute
from semid.quantizers.kernels.blocks import empty_tensor
from semid.quantizers.kernels.inputs import Vectors
from semid.quantizers.kernels.kmeans import SECONDS_BETWEEN_LINES, kmeans
from semid.quantizers.kernels.nearest import NearestCodeword
from semid.quantizers.kernels.principal_components import principal_directions, project
from semid.quantizers.kernels.product import (
    ROW_BLOCK,
    balanced_order,
    cluster_sums,
    mean_codewords,
    merge_equal,
    nearest_rotation,
    product_codes,
    squared_length_of_codewords,
    subspaces,
    variances_along,
)
from semid.quantizers.kernels.residual import level_codebooks, sum_of_codewords
from semid.quantizers.tensors import shaped
from semid.quantizers.tokenizer import Tokenizer

logger = logging.getLogger(__name__)

# errors are differences of large numbers: below this share of the squared lengths they are rounding
_ERROR_ROUNDING = 1e-6


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class OPQ(Tokenizer):
    """One code for each of `num_levels` sub-spaces: columns of the vectors after a rotation around their mean.

    The widths of the sub-spaces differ by one at most. `codebooks_` [L, K, dim] lie in the rotated space, and codewords
    are zero outside the columns of their sub-space, so that the codewords of an item add up to it.
    """

    kmeans_iters: Annotated[int, Ge(1), doc("The most updates of the first k-means in each sub-space.")] = 25
    rotation_iters: Annotated[int, Ge(0), doc("The most updates of codebooks and rotation; 0 learns no rotation.")] = (
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

    def _fit(self, vectors: Vectors, compute: Compute, verbose: bool) -> None:
        rows = self._training_rows(vectors, compute)
        dim = rows.shape[1]
        if self.num_levels > dim:
            raise InputError(f"num_levels is {self.num_levels}, more sub-spaces than the {dim} columns of the vectors")
        self._forget()
        mean, directions = principal_directions(rows, dim)
        self.mean_, directions = mean.to(compute.device), directions.to(compute.device)
        rows = rows.to(compute.device).sub_(self.mean_)
        rotation = directions[balanced_order(variances_along(rows, directions), self._columns)]
        codebooks = self._first_codebooks(rows, rotation, compute, verbose)
        length = sum(float(part.square().sum()) for part in rows.split(ROW_BLOCK)) / len(rows)
        self.rotation_, codebooks = self._train(rows, rotation, codebooks, length, verbose)
        codebooks = [merge_equal(codebook, _ERROR_ROUNDING * length) for codebook in codebooks]
        self.codebooks_ = rows.new_zeros(self.num_levels, self.codebook_size, dim)
        for padded, codebook, columns in zip(self.codebooks_, codebooks, self._columns, strict=True):
            padded[: len(codebook), columns] = codebook
        self.cluster_sizes_ = cluster_sums(rows, self.rotation_, codebooks)[1]

    def _first_codebooks(self, rows: Tensor, rotation: Tensor, compute: Compute, verbose: bool) -> list[Tensor]:
        """Cluster the rotated rows [n, dim] in each sub-space by k-means, and return its codebook [K, width]."""
        codebooks = []
        for level, columns in enumerate(self._columns):
            started, axes = time.monotonic(), rotation[columns]
            what = f"sub-space {level + 1} of {self.num_levels}"
            on_cpu = rows.device.type == "cpu"
            n, width = len(rows), len(axes)
            rotated = empty_tensor(n, width, scratch=compute.scratch) if on_cpu else rows.new_empty(n, width)
            for part, target in zip(rows.split(ROW_BLOCK), rotated.split(ROW_BLOCK), strict=True):
                torch.mm(part, axes.t(), out=target)
            with Progress(self.kmeans_iters, what, "iterations", shown=verbose) as progress:
                clustering = kmeans(
                    rotated,
                    self.sizes[level],
                    iterations=self.kmeans_iters,
                    seed=self.seed * 1_000 + level,
                    row_block=ROW_BLOCK,
                    scratch=compute.scratch,
                    progress=progress.update,
                )
                progress.end_early()
            codebooks.append(clustering.centroids)
            logger.info(
                "%s: error %.5f, %d iterations, %.1f s",
                what,
                clustering.error,
                clustering.iterations,
                time.monotonic() - started,
            )
        return codebooks

    def _train(
        self, rows: Tensor, rotation: Tensor, codebooks: list[Tensor], length: float, verbose: bool
    ) -> tuple[Tensor, list[Tensor]]:
        """Update rotation and codebooks in turn for centred rows [n, dim] of mean squared `length`, and return both.

        An update gives each row its nearest codewords, moves the codewords to the mean of their rows, turns the rows as
        near to their codewords as a rotation can, and moves the codewords with them. It never raises the error. All
        steps but the first need only the sums of rows.
        """
        previous = float("inf")
        started = printed = time.monotonic()
        with Progress(
            self.rotation_iters, "rotation", "updates", shown=verbose and self.rotation_iters > 0
        ) as progress:
            for iteration in range(self.rotation_iters):
                sums, sizes = cluster_sums(rows, rotation, codebooks)
                codebooks = mean_codewords(sums, sizes, rotation, codebooks)
                rotation = nearest_rotation(sums, codebooks)
                codebooks = mean_codewords(sums, sizes, rotation, codebooks)
                error = length - squared_length_of_codewords(codebooks, sizes) / len(rows)
                progress.update(1)
                if time.monotonic() - printed >= SECONDS_BETWEEN_LINES:
                    printed = time.monotonic()
                    logger.info(
                        "rotation: %d of at most %d updates, error %.5f, %.1f s",
                        iteration + 1,
                        self.rotation_iters,
                        error,
                        printed - started,
                    )
                if previous - error <= max(self.rotation_tolerance * error, _ERROR_ROUNDING * length):
                    break
                previous = error
            progress.end_early()
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

    def _code_tensors(self, level: int) -> list[Tensor]:
        return [self.codebooks_[level], self.cluster_sizes_[level]]

    def _tensors(self, dim: int) -> dict[str, Tensor]:
        return {
            "mean": shaped(dim),
            "rotation": shaped(dim, dim),
            "codebooks": shaped(self.num_levels, self.codebook_size, dim),
            "cluster_sizes": shaped(self.num_levels, self.codebook_size, dtype=torch.int64),
        }

    def _load(self, state: dict[str, Tensor], fitted: dict[str, Any]) -> None:
        self.mean_, self.rotation_ = state["mean"], state["rotation"]
        self.codebooks_, self.cluster_sizes_ = state["codebooks"], state["cluster_sizes"]

    def to(self, device: str) -> Self:
        self._load({name: tensor.to(device) for name, tensor in self._state().items()}, {})
        return self
