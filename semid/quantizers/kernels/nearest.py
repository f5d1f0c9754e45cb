"""The nearest codeword to each row, compared block by block so that no matrix of all distances exists."""

import torch
from torch import Tensor

from semid.quantizers.kernels.directions import ROWS_TRIED, LeadingDirections, can_have_directions, leading_directions
from semid.quantizers.kernels.screening import QuantizedRows, ScreenedCodewords, can_screen
from semid.quantizers.kernels.top_k import lowest

# looking for directions, and compiling what goes with them, takes as long as so many scores
_SCORES_BEFORE = 1 << 28
# what comparing along directions may cost, as a share of comparing whole
_MOST = 0.7


def directions_for(codebook: Tensor, rows: Tensor) -> Tensor | None:
    """Return directions [d, p] that pay for comparing rows [n, d] with codebooks like `codebook` [K, d], or None."""
    if len(rows) * len(codebook) <= _SCORES_BEFORE or not can_have_directions(codebook):
        return None
    return leading_directions(codebook, rows, _MOST)


class NearestCodeword:
    """Finds the codeword of `codebook` [K, d] that is nearest to each row, with `codeword_block` scores a row at once.

    A score is ‖c‖² − 2⟨x, c⟩, the squared distance less ‖x‖². Among equal scores the lowest code wins, across blocks
    too. An instance serves many blocks of rows and reuses its buffers.

    `codes` compares most codewords by bounds where that costs less: by int8 products where the processor has them (see
    :mod:`semid.quantizers.kernels.screening`), or by products along a few `directions` [d, p] (see
    :mod:`semid.quantizers.kernels.directions`); the codes are the same but for ties of float32. Without `directions` it
    looks for some once it has computed millions of scores, and then holds a bound for every codeword of 128 rows.

    Rows and codewords are rounded to int8 around `center` [d], which is the mean of the codebook by default. A caller
    that gives a center can quantize its rows once and compare them with many codebooks.
    """

    def __init__(
        self,
        codebook: Tensor,
        codeword_block: int = 1024,
        center: Tensor | None = None,
        directions: Tensor | None = None,
    ) -> None:
        self._codebook = codebook
        self._norms = codebook.square().sum(dim=1)
        self._columns = codebook.t()
        self._blocks = [
            (start, min(start + codeword_block, len(codebook))) for start in range(0, len(codebook), codeword_block)
        ]
        self._buffer = codebook.new_empty(0)
        self._leading: LeadingDirections | None = None
        self._screen: ScreenedCodewords | None = None
        # the rows that are compared before directions are looked for; None where they were found or there are none
        self._rows_before: int | None = None
        if directions is not None:
            self._leading = LeadingDirections(codebook, directions, self._compare_whole)
            return  # rows that are quantized for nothing would take a quarter of their memory
        if can_screen(codebook, quantized_before=center is not None):
            self._screen = ScreenedCodewords(codebook, codebook.mean(dim=0) if center is None else center)
        elif center is None and can_have_directions(codebook):
            self._rows_before = _SCORES_BEFORE // len(codebook)

    @property
    def screens(self) -> bool:
        """Whether `codes` uses rows that were quantized before."""
        return self._screen is not None

    @property
    def directions(self) -> Tensor | None:
        """The directions [d, p] that `codes` uses."""
        return None if self._leading is None else self._leading.directions

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
        self._look_for_directions(rows)
        if self._leading is not None:
            codes = self._leading(rows)
            if not self._leading.pays:
                # the rows to come will lie close to too many codewords as well
                self._leading = None
            return codes
        if self._screen is not None:
            screened = self._screen(rows, quantized)
            if screened is not None:
                return screened
            # these rows lie close to too many codewords, and the rows to come will too
            self._screen = None
        return self._compare_whole(rows)

    def near(self, rows: Tensor, count: int) -> Tensor:
        """Return `count` codes that lie near each of the rows [n, d], int64 [n, count], by the `directions` given."""
        assert self._leading is not None
        return self._leading.near(rows, count)

    def _compare_whole(self, rows: Tensor) -> Tensor:
        return self(rows)[0]

    def _look_for_directions(self, rows: Tensor) -> None:
        """Count rows, and when there were enough look for directions."""
        if self._rows_before is None:
            return
        self._rows_before -= len(rows)
        if self._rows_before >= 0 or len(rows) < ROWS_TRIED:
            return
        self._rows_before = None
        directions = leading_directions(self._codebook, rows, _MOST)
        if directions is not None:
            self._leading = LeadingDirections(self._codebook, directions, self._compare_whole)
