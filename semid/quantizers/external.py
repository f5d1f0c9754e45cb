"""Codewords for codes that were made elsewhere: means of the training rows that have the codes."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from semid.checks import documented
from semid.errors import InputError
from semid.methods import GIVEN_CODES
from semid.quantizers.compute import ON_CPU, Compute
from semid.quantizers.decoder import Decoder
from semid.quantizers.kernels.blocks import float32_blocks
from semid.quantizers.kernels.inputs import Vectors, array_of_lists, as_vectors, check_codes, check_scale
from semid.quantizers.kernels.residual import sum_of_codewords
from semid.quantizers.tensors import shaped

logger = logging.getLogger(__name__)


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class ExternalCodes(Decoder):
    """Decodes codes that were given, so that they can be scored and evaluated like those of any tokenizer.

    The residual of a row at a level is the row less its codewords of the levels before. A codeword is the mean residual
    of the training rows that have its code: the update step of residual k-means, without the assignment. Codewords lie
    in the space of the vectors. A code that no training row has gets the zero vector, which adds nothing in decoding.
    Where `metadata` has `codes`, a key of `semid.methods.GIVEN_CODES`, that says who gave them.
    """

    @property
    def no_encoder(self) -> str:
        given = GIVEN_CODES.get(str(self.metadata.get("codes")), GIVEN_CODES["external"])
        return given.not_encoded

    @property
    def dim(self) -> int:
        return self.codebooks_.shape[2]

    def fit(
        self,
        vectors: Vectors,
        compute: Compute = ON_CPU,
        codes: Any = None,
        progress: Callable[[int], object] | None = None,
    ) -> Self:
        """Learn codewords from training vectors [n, dim] and their codes, integers [n, num_levels].

        Both are read in blocks, once for each level, and summed on the CPU in float64, so that memory holds only the
        codebooks. `progress` is called after each block with its number of rows. Raises `InputError` when codes are
        missing, are not as many as the vectors, are no integers or lie outside the codebooks, and for vectors that
        float32 cannot compute with.
        """
        vectors, codes = as_vectors(vectors), array_of_lists(codes, "codes")
        n, dim = vectors.shape
        shape = tuple(getattr(codes, "shape", ()))
        if shape != (n, self.num_levels):
            given = "none" if codes is None else f"codes of shape {shape}"
            raise InputError(f"expected codes [{n}, {self.num_levels}] beside vectors [{n}, {dim}], found {given}")
        codebooks = torch.zeros(self.num_levels, self.codebook_size, dim)
        cluster_sizes = torch.zeros(self.num_levels, self.codebook_size, dtype=torch.int64)
        largest = 0.0
        for level in range(self.num_levels):
            sums = torch.zeros(self.codebook_size, dim, dtype=torch.float64)
            for start, rows in float32_blocks(vectors, compute.batch_size):
                block = check_codes(codes[start : start + len(rows)], self.sizes)
                if level == 0:
                    largest = max(largest, float(rows.abs().max()))
                else:
                    rows.sub_(sum_of_codewords(codebooks[:level], block))
                sums.index_add_(0, block[:, level], rows.double())
                cluster_sizes[level] += torch.bincount(block[:, level], minlength=self.codebook_size)
                if progress is not None:
                    progress(len(rows))
            check_scale(largest, is_zero=largest == 0)
            codebooks[level] = sums / cluster_sizes[level].clamp(min=1)[:, None]
            used = int((cluster_sizes[level] > 0).sum())
            logger.info("level %d of %d: %d of %d codes used", level + 1, self.num_levels, used, self.sizes[level])
        self.codebooks_, self.cluster_sizes_ = codebooks, cluster_sizes
        return self

    def latent(self, rows: Tensor) -> Tensor:
        return rows

    def _decode_block(self, codes: Tensor) -> Tensor:
        return sum_of_codewords(self.codebooks_, codes)

    def _state(self) -> dict[str, Tensor]:
        return {"codebooks": self.codebooks_, "cluster_sizes": self.cluster_sizes_}

    def _tensors(self, dim: int) -> dict[str, Tensor]:
        return {
            "codebooks": shaped(self.num_levels, self.codebook_size, dim),
            "cluster_sizes": shaped(self.num_levels, self.codebook_size, dtype=torch.int64),
        }

    def _load(self, state: dict[str, Tensor], fitted: dict[str, Any]) -> None:
        self.codebooks_, self.cluster_sizes_ = state["codebooks"], state["cluster_sizes"]

    def to(self, device: str) -> Self:
        self._load({name: tensor.to(device) for name, tensor in self._state().items()}, {})
        return self
