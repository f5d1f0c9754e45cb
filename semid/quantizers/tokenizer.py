"""The contract of all tokenizers: fit, encode, decode, save and read, in the manner of scikit-learn."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
import torch
from annotated_types import Ge, Le
from torch import Tensor

from semid.checks import doc
from semid.errors import InputError
from semid.progress import Progress
from semid.quantizers.compute import Compute, where_to_compute
from semid.quantizers.decoder import Decoder
from semid.quantizers.kernels.blocks import float32_blocks, gather_float32, sample_rows
from semid.quantizers.kernels.inputs import Vectors, as_vectors

logger = logging.getLogger(__name__)

# JSON readers agree on integers below this number, and 1,000 times it, as residual k-means needs, fits in 64 bits
SEEDS = 2**53


@dataclass(kw_only=True, eq=False, repr=False)
class Tokenizer(Decoder):
    """Turns vectors [n, dim] into codes [n, num_levels], each from 0 to the size of its codebook − 1, and back.

    `vectors` are any array of real numbers, or anything with a shape and rows that are read by slices and by arrays of
    integers; lists of numbers become an array. Tables, sparse matrices, masked arrays and other types are refused.

    Sizes, metadata and what is learnt are those of :class:`Decoder`.
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

    @property
    def n_features_in_(self) -> int:
        """The width of the vectors that it was fitted on: `dim` by the name that scikit-learn has for it."""
        return self.dim

    def fit(
        self,
        vectors: Vectors,
        y: Any = None,
        *,
        compute: Compute | None = None,
        device: str | torch.device | None = None,
        verbose: bool = False,
    ) -> Self:
        """Learn from vectors [n, dim], and return the tokenizer itself.

        `device` is where to compute: `cpu`, `cuda`, `cuda:1`, `mps`, or `auto`, the first of cuda, mps and cpu that is
        here. Without it that is the CPU. `compute` says the same and the sizes of blocks, so that only one of the two
        can be given. `verbose` shows on standard error how far the work is: a bar in a terminal, elsewhere a line every
        ten seconds. `y` is where pipelines of scikit-learn give targets, and is ignored; a `Compute` may stand there.

        Raises `InputError` when there are fewer training rows than codes of a level, and for values that float32
        cannot compute with: NaN, infinity, beyond 7e13, or none of at least 9e-13 but zeros.
        """
        self._fit(vectors, where_to_compute(compute, device, y), verbose)
        return self

    def _fit(self, vectors: Vectors, compute: Compute, verbose: bool) -> None:
        """Learn from vectors [n, dim], and set `cluster_sizes_` as the last step."""
        raise NotImplementedError

    def fit_transform(
        self,
        vectors: Vectors,
        y: Any = None,
        *,
        compute: Compute | None = None,
        device: str | torch.device | None = None,
        verbose: bool = False,
        **options: Any,
    ) -> np.ndarray:
        """Learn from vectors [n, dim], and return their codes: `fit`, which takes all arguments, and then `encode`."""
        compute = where_to_compute(compute, device, y)
        self.fit(vectors, compute=compute, verbose=verbose, **options)
        return self.encode(vectors, compute, verbose=verbose)

    def _encoder(self, compute: Compute) -> Callable[[Tensor], Tensor]:
        """Return a function from float32 rows [n, dim], which it may overwrite, to codes int64 [n, L]."""
        raise NotImplementedError

    def encode(
        self,
        vectors: Vectors,
        compute: Compute | None = None,
        progress: Callable[[int], object] | None = None,
        *,
        device: str | torch.device | None = None,
        verbose: bool = False,
    ) -> np.ndarray:
        """Encode vectors [n, dim] as uint16 [n, num_levels], or uint32 where a level has more than 65,536 codes.

        `device`, `compute` and `verbose` are those of `fit`. `progress` is called after each block with its number of
        rows. The tokenizer moves to the device and stays there. Raises `InputError` for vectors of another width, and
        for values that are not finite or too large.
        """
        self._check_fitted()
        compute = where_to_compute(compute, device)
        vectors = as_vectors(vectors, self.dim)
        self.to(compute.device)
        n = vectors.shape[0]
        dtype = np.uint16 if self.codebook_size <= 65_536 else np.uint32
        codes = np.empty((n, self.num_levels), dtype=dtype)
        with torch.inference_mode(), Progress(n, "encoding", "vectors", shown=verbose) as shown:
            encode = self._encoder(compute)
            for start, rows in float32_blocks(vectors, compute.batch_size, compute.device):
                codes[start : start + len(rows)] = encode(rows).cpu().numpy().astype(dtype)
                shown.update(len(rows))
                if progress is not None:
                    progress(len(rows))
        return codes

    def transform(
        self,
        vectors: Vectors,
        compute: Compute | None = None,
        *,
        device: str | torch.device | None = None,
        verbose: bool = False,
    ) -> np.ndarray:
        """Return the codes of vectors [n, dim]: `encode` by the name that scikit-learn has for it."""
        return self.encode(vectors, compute, device=device, verbose=verbose)

    def inverse_transform(self, codes: np.ndarray) -> np.ndarray:
        """Return the vectors of codes [n, num_levels]: `decode` by the name that scikit-learn has for it."""
        return self.decode(codes)

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
