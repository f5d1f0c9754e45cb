"""RQ-KMeans: residual quantization with k-means at every level.

Residual vector quantization: Chen, Guan and Wang, "Approximate nearest neighbor search by residual vector
quantization" (2010). As semantic IDs: OneRec (2025), where it replaces the RQ-VAE of TIGER (Rajput et al., 2023).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from semid.errors import InputError
from semid.quantizers.blocks import Vectors
from semid.quantizers.kmeans import residual_kmeans
from semid.quantizers.nearest import BeamSearch, NearestCodeword, residual_codes
from semid.quantizers.options import check_counts, check_numbers
from semid.quantizers.pca import distant_mean, principal_directions, project
from semid.quantizers.tokenizer import ON_CPU, Compute, Tokenizer


@dataclass(kw_only=True, eq=False)
class RQKMeans(Tokenizer):
    """k-means on the residuals, level by level, in the input space or along its principal directions.

    `pca_dim`: principal directions to keep, 0 for the input space. The directions are taken around the mean, and so is
    the input space where the mean is far from the origin (:func:`distant_mean`); decode restores it. `kmeans_iters`,
    `kmeans_tolerance`: at most so many Lloyd updates a level, stopping when one lowers the error by less than this
    share. `beam`: partial codes kept a row while encoding; 1 is greedy.
    """

    pca_dim: int = 0
    kmeans_iters: int = 25
    kmeans_tolerance: float = 1e-4
    beam: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(self, 0, "pca_dim")
        check_counts(self, 1, "kmeans_iters", "beam")
        check_numbers(self, "of at least 0", lambda value: value >= 0, "kmeans_tolerance")

    @property
    def dim(self) -> int:
        return len(self.mean_)

    def fit(self, vectors: Vectors, compute: Compute = ON_CPU) -> Self:
        rows = self._training_rows(vectors, compute)
        self._fit_space(rows, compute.device)
        rows = self._latent_rows(rows, compute) if self.pca_dim else rows.to(compute.device).sub_(self.mean_)
        self.codebooks_, self.cluster_sizes_ = residual_kmeans(
            rows,
            self.num_levels,
            self.codebook_size,
            iterations=self.kmeans_iters,
            tolerance=self.kmeans_tolerance,
            seed=self.seed,
            row_block=compute.batch_size,
            codeword_block=compute.codeword_block,
            scratch=compute.scratch,
        )
        return self

    def _fit_space(self, rows: Tensor, device: str) -> None:
        dim = rows.shape[1]
        if self.pca_dim > dim:
            raise InputError(f"pca_dim is {self.pca_dim}, more than the {dim} columns of the vectors")
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
        if self.beam > 1 and self.num_levels > 1:
            search = BeamSearch(self.codebooks_, self.beam)
            return lambda rows: search(self.latent(rows))
        levels = [NearestCodeword(codebook, compute.codeword_block) for codebook in self.codebooks_]
        return lambda rows: residual_codes(self.latent(rows), levels, self.codebooks_)

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

    def _load(self, state: dict[str, Tensor], fitted: dict[str, Any]) -> None:
        self.mean_, self.directions_ = state["mean"], state["directions"]
        self.codebooks_, self.cluster_sizes_ = state["codebooks"], state["cluster_sizes"]

    def to(self, device: str) -> Self:
        self._load({name: tensor.to(device) for name, tensor in self._state().items()}, {})
        return self


def sum_of_codewords(codebooks: Tensor, codes: Tensor) -> Tensor:
    """Sum [n, d] over levels of the codewords in codebooks [L, K, d] that codes [n, L] name."""
    total = codebooks[0].index_select(0, codes[:, 0])
    for level in range(1, len(codebooks)):
        total += codebooks[level].index_select(0, codes[:, level])
    return total
