"""The nearest codeword, blocked over rows and over codewords; and residual codes by beam."""

from collections.abc import Sequence

import torch
from torch import Tensor

from semid.quantizers.minima import lowest, smallest_sums
from semid.quantizers.screening import QuantizedRows, ScreenedCodewords, can_screen

# of the tables of codeword products that a beam uses, in floats
_TABLES_AT_MOST = 1 << 24
# scores of a beam held at once, in floats: they are read three times and should stay in cache
_SCORES_AT_ONCE = 1 << 18
# rows of a beam without tables, at least: every block of rows reads each codebook anew
_ROWS_AT_LEAST = 64


class NearestCodeword:
    """Find the nearest of `codebook` [K, d] to each row, never holding more than `codeword_block` scores a row.

    Scores are ‖c‖² − 2⟨x, c⟩, the squared distance less ‖x‖²; among equal scores the lowest code wins across blocks.
    One instance serves many blocks of rows and reuses its buffers. `codes` screens by int8 products where the
    processor has them (see :mod:`semid.quantizers.screening`), with the same codes but for float32 ties; around
    `center` [d], by default the mean of the codebook. Who gives one quantizes rows for many codebooks at once.
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
        """Whether `codes` makes use of quantized rows."""
        return self._screen is not None

    def scores(self, rows: Tensor, start: int, stop: int) -> Tensor:
        """Scores [n, stop − start] of rows [n, d] against codewords `start` to `stop`; overwritten by the next call."""
        size = len(rows) * (stop - start)
        if self._buffer.numel() < size:
            self._buffer = rows.new_empty(size)
        out = self._buffer[:size].view(len(rows), stop - start)
        return torch.addmm(self._norms[start:stop], rows, self._columns[:, start:stop], alpha=-2, out=out)

    def __call__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Codes int64 [n] and scores float32 [n] of rows [n, d]."""
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
        """Codes int64 [n] of rows [n, d]; `quantized`: the same rows, quantized before around `center`."""
        if self._screen is None:
            return self(rows)[0]
        codes = self._screen(rows, quantized)
        if codes is None:
            # these rows lie too close to many codewords, and so will others
            self._screen = None
            return self(rows)[0]
        return codes


class BeamSearch:
    """Residual codes that end with the smallest total error among `beam` partial codes kept a row.

    As `max_beam_size` of faiss.ResidualQuantizer; Babenko and Lempitsky, "Additive quantization" (2014).
    Since ⟨x − Σ c_j, c⟩ = ⟨x, c⟩ − Σ ⟨c_j, c⟩, each row is multiplied once with the codebook [K, d] of each level,
    whatever the beam, and tables of codeword products give the rest; codebooks too large for tables meet every
    residual.
    """

    def __init__(self, codebooks: Sequence[Tensor] | Tensor, beam: int) -> None:
        self._codebooks, self._beam = list(codebooks), beam
        self._norms = [codebook.square().sum(dim=1) for codebook in codebooks]
        sizes = [len(codebook) for codebook in codebooks]
        # codewords of the levels before each level
        before = [sum(sizes[:level]) for level in range(len(sizes))]
        self._rows_at_once = max(1, _SCORES_AT_ONCE // (beam * max(sizes)))
        self._tables: list[Tensor] | None = None
        if sum(rows * size for rows, size in zip(before, sizes, strict=True)) <= _TABLES_AT_MOST:
            # of a level: 2⟨c_j, c⟩ of the codewords of all levels before it, [codewords before, K]
            self._tables = [
                2 * torch.cat([codebook[:0], *self._codebooks[:level]]) @ codebook.t()
                for level, codebook in enumerate(self._codebooks)
            ]
        else:
            self._rows_at_once = max(_ROWS_AT_LEAST, self._rows_at_once)
        self._offsets = torch.tensor(before, device=self._codebooks[0].device)

    def __call__(self, rows: Tensor) -> Tensor:
        """Codes int64 [n, L] of rows [n, d]."""
        return torch.cat([self._codes(part) for part in rows.split(self._rows_at_once)])

    def _codes(self, rows: Tensor) -> Tensor:
        n, dim = rows.shape
        n_levels = len(self._codebooks)
        codes = torch.empty(n, 1, 0, dtype=torch.int64, device=rows.device)
        errors = torch.zeros(n, 1, device=rows.device)
        residuals = rows[:, None, :]
        for level in range(n_levels):
            width, k = codes.shape[1], len(self._codebooks[level])
            left = rows if self._tables is not None else residuals.reshape(-1, dim)
            scores = torch.addmm(self._norms[level], left, self._codebooks[level].t(), alpha=-2).view(n, -1, k)
            if self._tables is not None and level > 0:
                entries = (codes + self._offsets[:level]).view(-1, level)
                crossed = torch.nn.functional.embedding_bag(entries, self._tables[level], mode="sum")
                scores = crossed.view(n, width, k).add_(scores)
            errors, parent, code = smallest_sums(errors, scores, self._beam if level + 1 < n_levels else 1)
            codes = torch.cat([codes.gather(1, parent[:, :, None].expand(-1, -1, level)), code[:, :, None]], dim=2)
            if self._tables is None:
                kept = residuals.gather(1, parent[:, :, None].expand(-1, -1, dim))
                residuals = kept - self._codebooks[level][code]
        return codes[:, 0]
