"""The nearest codeword to each row, compared block by block so that no matrix of all distances exists."""

import torch
from torch import Tensor

from semid.quantizers.kernels.screening import QuantizedRows, ScreenedCodewords, can_screen
from semid.quantizers.kernels.top_k import lowest


class NearestCodeword:
    """Finds the codeword of `codebook` [K, d] that is nearest to each row, with at most `codeword_block` scores a row.

    A score is ‖c‖² − 2⟨x, c⟩, the squared distance less ‖x‖². Among equal scores the lowest code wins, across blocks
    too. An instance serves many blocks of rows and reuses its buffers.

    `codes` screens by int8 products where the processor has them (see :mod:`semid.quantizers.kernels.screening`); the
    codes are the same but for ties of float32. Rows and codewords are rounded to int8 around `center` [d], which is the
    mean of the codebook by default. A caller that gives a center can quantize its rows once and compare them with many
    codebooks.
    """

    def __init__(self, codebook: Tensor, codeword_block: int = 1024, center: Tensor | None = None) -> None:
        self._codebook = codebook
        self._norms = codebook.square().sum(dim=1)
        self._columns = codebook.t()
        self._blocks = [
            (start, min(start + codeword_block, len(codebook))) for start in range(0, len(codebook), codeword_block)
        ]
        self._buffer = codebook.new_empty(0)
        self._screen: ScreenedCodewords | None = None
        if can_screen(codebook, quantized_before=center is not None):
            self._screen = ScreenedCodewords(codebook, codebook.mean(dim=0) if center is None else center)

    @property
    def screens(self) -> bool:
        """Whether `codes` uses rows that were quantized before."""
        return self._screen is not None

    def scores(self, rows: Tensor, start: int, stop: int) -> Tensor:
        """Score rows [n, d] against codewords `start` to `stop`: [n, stop − start], which the next call overwrites."""
        size = len(rows) * (stop - start)
        if self._buffer.numel() < size:
            self._buffer = rows.new_empty(size)
        out = self._buffer[:size].view(len(rows), stop - start)
        return torch.addmm(self._norms[start:stop], rows, self._columns[:, start:stop], alpha=-2, out=out)

    def __call__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return codes int64 [n] and scores float32 [n] of rows [n, d]."""
        best: Tensor | None = None
        codes = scores = torch.empty(0)
        for start, stop in self._blocks:
            scores, codes = lowest(self.scores(rows, start, stop))
            if best is None:
                best, best_codes = scores, codes
            else:
                closer = scores < best
                best = torch.where(closer, scores, best)
                best_codes = torch.where(closer, codes + start, best_codes)
        assert best is not None
        return best_codes, best

    def codes(self, rows: Tensor, quantized: QuantizedRows | None = None) -> Tensor:
        """Return codes int64 [n] of rows [n, d]; `quantized` are the same rows, quantized before around `center`."""
        if self._screen is None:
            return self(rows)[0]
        codes = self._screen(rows, quantized)
        if codes is None:
            # these rows lie close to too many codewords, and the rows to come will too
            self._screen = None
            return self(rows)[0]
        return codes
