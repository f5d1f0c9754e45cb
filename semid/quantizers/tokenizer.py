"""The contract of all tokenizers: fit, encode, decode, save_pretrained, from_pretrained."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
import torch
from annotated_types import Ge, Le
from torch import Tensor

from semid.checks import doc
from semid.errors import InputError
from semid.quantizers.compute import ON_CPU, Compute
from semid.quantizers.decoder import Decoder
from semid.quantizers.kernels.blocks import float32_blocks, gather_float32, sample_rows
from semid.quantizers.kernels.inputs import Vectors, as_vectors

logger = logging.getLogger(__name__)

# JSON readers agree on integers below this number, and 1,000 times it, as residual k-means needs, fits in 64 bits
SEEDS = 2**53


@dataclass(kw_only=True, eq=False)
class Tokenizer(Decoder):
    """Turns vectors [n, dim] into codes [n, num_levels], each from 0 to the size of its codebook − 1, and back.

    `vectors` are any array of real numbers, or anything with a shape and rows that are read by slices and by arrays of
    integers; lists of numbers become an array. Tables, sparse matrices, masked arrays and other types are refused.

    Sizes, metadata and what is learnt are those of :class:`Decoder`. Training sees `max_train` rows, a seeded sample
    where there are more; 0 takes all. `seed`, below 2^53, fixes the sample, the initial values and the order of rows.
    """

    max_train: Annotated[
        int,
        Ge(0),
        doc(
            "The most rows that training sees: a seeded sample of the training items. 0 takes all items. The workflow "
            "then keeps their vectors not in memory but in unnamed files in the temporary folder (`TMPDIR`), 4 bytes a "
            "value; autoencoders need twice that, and once more for the latent vectors. The library does the same with "
            "`Compute(scratch=folder)`."
        ),
    ] = 200_000
    seed: Annotated[int, Ge(0), Le(SEEDS - 1), doc("Fixes the sample, the initial values and the order of rows.")] = 0

    def fit(self, vectors: Vectors, compute: Compute = ON_CPU) -> Self:
        """Learn from vectors [n, dim].

        Raises `InputError` when there are fewer training rows than codes of a level, and for values that float32
        cannot compute with: NaN, infinity, beyond 7e13, or none of at least 9e-13 but zeros.
        """
        raise NotImplementedError

    def _encoder(self, compute: Compute) -> Callable[[Tensor], Tensor]:
        """Return a function from float32 rows [n, dim], which it may overwrite, to codes int64 [n, L]."""
        raise NotImplementedError

    def encode(
        self,
        vectors: Vectors,
        compute: Compute = ON_CPU,
        progress: Callable[[int], object] | None = None,
    ) -> np.ndarray:
        """Encode vectors [n, dim] as uint16 [n, num_levels], or uint32 where a level has more than 65,536 codes.

        `progress` is called after each block with its number of rows. The tokenizer moves to `compute.device` and stays
        there. Raises `InputError` for vectors of another width, and for values that are not finite or too large.
        """
        self._check_fitted()
        vectors = as_vectors(vectors, self.dim)
        self.to(compute.device)
        dtype = np.uint16 if self.codebook_size <= 65_536 else np.uint32
        codes = np.empty((vectors.shape[0], self.num_levels), dtype=dtype)
        with torch.inference_mode():
            encode = self._encoder(compute)
            for start, rows in float32_blocks(vectors, compute.batch_size, compute.device):
                codes[start : start + len(rows)] = encode(rows).cpu().numpy().astype(dtype)
                if progress is not None:
                    progress(len(rows))
        return codes

    def _training_rows(self, vectors: Vectors, compute: Compute) -> Tensor:
        """Return the training rows as float32 [n, dim] on the CPU: all vectors, or a seeded sample of `max_train`."""
        vectors = as_vectors(vectors)
        rows = sample_rows(vectors.shape[0], self.max_train, self.seed)
        n = vectors.shape[0] if rows is None else len(rows)
        if self.codebook_size > n:
            raise InputError(
                f"a codebook of {self.codebook_size} codes needs at least as many training rows, there are {n}: "
                "choose a smaller codebook or train on more items"
            )
        if n < 2 * self.codebook_size:
            logger.warning(
                "%d training rows for %d codes: fewer than two a code, codes follow single rows", n, self.codebook_size
            )
        return gather_float32(vectors, rows, compute.scratch)
