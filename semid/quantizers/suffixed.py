"""The decoder of codes with a suffix: a last level that only tells items apart, and decodes to nothing."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from torch import Tensor

from semid.errors import InputError
from semid.quantizers.decoder import Decoder


@dataclass(kw_only=True, eq=False, repr=False)
class SuffixedDecoder(Decoder):
    """Decodes codes [n, L + 1] as `native` decodes their first L levels.

    The codewords of the last level are zeros, so that distances to codes are those to native codes. It is made for
    codes when they are read, and never saved.
    """

    native: Decoder = field(repr=False)

    @classmethod
    def of(cls, native: Decoder, suffix_size: int) -> Self:
        """Return the decoder of codes of `native` with a suffix of `suffix_size` values."""
        sizes = (*native.sizes, suffix_size)
        return cls(
            num_levels=len(sizes),
            codebook_size=max(sizes),
            codebook_sizes=sizes,
            metadata=native.metadata,
            native=native,
        )

    @property
    def dim(self) -> int:
        return self.native.dim

    @property
    def codebooks_(self) -> Tensor:
        """The codebooks [L + 1, K, d] of the native codes, and zeros."""
        native: Any = self.native
        codebooks: Tensor = native.codebooks_
        padded = codebooks.new_zeros(self.num_levels, self.codebook_size, codebooks.shape[2])
        padded[:-1, : codebooks.shape[1]] = codebooks
        return padded

    @property
    def cluster_sizes_(self) -> Tensor:
        """Raises AttributeError, as every object that is not fitted does, where the native decoder is not."""
        native: Any = self.native
        counts: Tensor = native.cluster_sizes_
        return counts

    def latent(self, rows: Tensor) -> Tensor:
        return self.native.latent(rows)

    def _decode_block(self, codes: Tensor) -> Tensor:
        return self.native._decode_block(codes[:, :-1])

    def _state(self) -> dict[str, Tensor]:
        return self.native._state()

    def fit_summary(self) -> dict[str, Any]:
        return self.native.fit_summary()

    def to(self, device: str) -> Self:
        self.native.to(device)
        return self


def decoder_of_codes(folder: str | Path, codes: np.ndarray) -> Decoder:
    """Read the tokenizer in a folder as the decoder of its codes, integers [n, L], or [n, L + 1] with a suffix.

    Raises `InputError` for codes of another number of levels, and as :meth:`Decoder.from_pretrained` does.
    """
    decoder = Decoder.from_pretrained(folder)
    if codes.shape[1] == decoder.num_levels:
        return decoder
    if codes.shape[1] == decoder.num_levels + 1:
        return SuffixedDecoder.of(decoder, int(codes[:, -1].max(initial=0)) + 1)
    raise InputError(
        f"{folder}: the tokenizer has {decoder.num_levels} levels, the codes have {codes.shape[1]}: encode again"
    )
