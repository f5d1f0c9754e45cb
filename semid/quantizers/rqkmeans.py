"""RQ-KMeans: residual quantization with k-means at every level.

Residual vector quantization: Chen, Guan and Wang, "Approximate nearest neighbor search by residual vector
quantization" (2010). As semantic IDs: OneRec (2025), where it replaces the RQ-VAE of TIGER (Rajput et al., 2023).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor

from semid.checks import at_encode, doc, documented
from semid.errors import InputError
from semid.quantizers.compute import Compute, latent_rows
from semid.quantizers.kernels.beam import BeamSearch
from semid.quantizers.kernels.inputs import Vectors
from semid.quantizers.kernels.kmeans import SEED_SCALE, residual_kmeans
from semid.quantizers.kernels.nearest import NearestCodeword
from semid.quantizers.kernels.principal_components import distant_mean, principal_directions, project
from semid.quantizers.kernels.residual import level_codebooks, residual_codes, sum_of_codewords
from semid.quantizers.tensors import shaped
from semid.quantizers.tokenizer import Tokenizer


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class RQKMeans(Tokenizer):
    """k-means on the residuals, level by level, in the input space or along its principal directions.

    Before principal directions the mean of the vectors is subtracted. In the input space it is subtracted only where it
    is far from the origin (:func:`distant_mean`). `decode` adds it again.
    """

    absent_arguments: ClassVar = {"seed_scale": 1.0}

    pca_dim: Annotated[
        int,
        Ge(0),
        doc(
            "Quantize along that many principal directions; 0 is the input space. Fewer directions give more unique "
            "codes and a larger reconstruction error."
        ),
    ] = 0
    kmeans_iters: Annotated[int, Ge(1), doc("The most Lloyd iterations at each level.")] = 25
    kmeans_tolerance: Annotated[
        float, Ge(0), doc("Stop when an iteration lowers the error by less than this share.")
    ] = 1e-4
    seed_scale: Annotated[
        float,
        Gt(0),
        Le(1),
        doc(
            "From the second level on k-means begins with residuals that are shortened to this share of their length. "
            "At 1 many codes serve a single outlier. At 0.35 codes are used more evenly, and the error of thousands of "
            "text embeddings at 4x256 is 2 to 7 % lower; where a level has a few items a code, or vectors are narrow, "
            "it may be higher."
        ),
    ] = SEED_SCALE
    beam: Annotated[
        int,
        Ge(1),
        at_encode,
        doc(
            "Partial codes kept while encoding; 1 is greedy. 4 lowers the error by 0.6 %, 16 by 0.7 %; at 4x256 they "
            "take about 1.4 and 2 times as long with numba (the extra `fast`), 2 and 5 times without it, and with a "
            "large K, which has no int8 products for beams, more. It trains nothing again."
        ),
    ] = 1

    @property
    def dim(self) -> int:
        return len(self.mean_)

    def _fit(self, vectors: Vectors, compute: Compute, verbose: bool) -> None:
        rows = self._training_rows(vectors, compute)
        self._fit_space(rows, compute.device)
        rows = latent_rows(self.latent, rows, compute) if self.pca_dim else rows.to(compute.device).sub_(self.mean_)
        self.codebooks_, self.cluster_sizes_ = residual_kmeans(
            rows,
            self.sizes,
            iterations=self.kmeans_iters,
            tolerance=self.kmeans_tolerance,
            seed=self.seed,
            seed_scale=self.seed_scale,
            row_block=compute.batch_size,
            codeword_block=compute.codeword_block,
            scratch=compute.scratch,
            verbose=verbose,
        )

    def _fit_space(self, rows: Tensor, device: str) -> None:
        """Learn the mean and the principal directions of rows [n, dim]."""
        dim = rows.shape[1]
        if self.pca_dim > dim:
            raise InputError(f"pca_dim is {self.pca_dim}, but the vectors have {dim} columns: set it to {dim} at most")
        self._forget()
        if self.pca_dim:
            mean, directions = principal_directions(rows, self.pca_dim)
        else:
            mean, directions = distant_mean(rows), torch.zeros(0, dim)
        self.mean_, self.directions_ = mean.to(device), directions.to(device)

    def latent(self, rows: Tensor) -> Tensor:
        if self.pca_dim:
            return project(rows, self.mean_, self.directions_)
        return rows - self.mean_ if self.mean_.any() else rows

    def _encoder(self, compute: Compute) -> Callable[[Tensor], Tensor]:
        codebooks = level_codebooks(self.codebooks_, self.sizes)
        if self.beam > 1 and self.num_levels > 1:
            search = BeamSearch(codebooks, self.beam)
            return lambda rows: search(self.latent(rows))
        levels = [NearestCodeword(codebook, compute.codeword_block) for codebook in codebooks]
        return lambda rows: residual_codes(self.latent(rows), levels, codebooks)

    def _decode_block(self, codes: Tensor) -> Tensor:
        vectors = sum_of_codewords(self.codebooks_, codes)
        return (vectors @ self.directions_ if self.pca_dim else vectors) + self.mean_

    def _state(self) -> dict[str, Tensor]:
        return {
            "mean": self.mean_,
            "directions": self.directions_,
            "codebooks": self.codebooks_,
            "cluster_sizes": self.cluster_sizes_,
        }

    def _code_tensors(self, level: int) -> list[Tensor]:
        return [self.codebooks_[level], self.cluster_sizes_[level]]

    def _tensors(self, dim: int) -> dict[str, Tensor]:
        return {
            "mean": shaped(dim),
            "directions": shaped(self.pca_dim, dim),
            "codebooks": shaped(self.num_levels, self.codebook_size, self.pca_dim or dim),
            "cluster_sizes": shaped(self.num_levels, self.codebook_size, dtype=torch.int64),
        }

    def _load(self, state: dict[str, Tensor], fitted: dict[str, Any]) -> None:
        self.mean_, self.directions_ = state["mean"], state["directions"]
        self.codebooks_, self.cluster_sizes_ = state["codebooks"], state["cluster_sizes"]

    def to(self, device: str) -> Self:
        self._load({name: tensor.to(device) for name, tensor in self._state().items()}, {})
        return self
