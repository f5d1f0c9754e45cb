"""The nearest codeword, blocked over rows and over codewords."""

import torch
from torch import Tensor


class NearestCodeword:
    """Find the nearest of `codebook` [K, d] to each row, never holding more than `codeword_block` scores a row.

    Scores are ‖c‖² − 2⟨x, c⟩, the squared distance less ‖x‖²; among equal scores the lowest code wins across blocks.
    One instance serves many blocks of rows and reuses its score buffer.
    """

    def __init__(self, codebook: Tensor, codeword_block: int = 1024) -> None:
        self._norms = codebook.square().sum(dim=1)
        self._columns = codebook.t()
        self._blocks = [
            (start, min(start + codeword_block, len(codebook))) for start in range(0, len(codebook), codeword_block)
        ]
        self._buffer = codebook.new_empty(0)

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
            scores, codes = self.scores(rows, start, stop).min(dim=1)
            if best is None:
                best, best_codes = scores, codes
            else:
                closer = scores < best
                best = torch.where(closer, scores, best)
                best_codes = torch.where(closer, codes + start, best_codes)
        assert best is not None
        return best_codes, best


def residual_codes(residuals: Tensor, levels: list[NearestCodeword], codebooks: Tensor) -> Tensor:
    """Greedy codes int64 [n, L] of rows [n, d] under codebooks [L, K, d]; overwrites `residuals` by what is left."""
    codes = torch.empty(len(residuals), len(levels), dtype=torch.int64, device=residuals.device)
    for level, nearest in enumerate(levels):
        codes[:, level], _ = nearest(residuals)
        residuals.sub_(codebooks[level].index_select(0, codes[:, level]))
    return codes


def beam_codes(rows: Tensor, levels: list[NearestCodeword], codebooks: Tensor, beam: int) -> Tensor:
    """Codes int64 [n, L] that end with the smallest total error among `beam` partial codes kept a row.

    As `max_beam_size` of faiss.ResidualQuantizer; Babenko and Lempitsky, "Additive quantization" (2014).
    """
    n, dim = rows.shape
    codebook_size = codebooks.shape[1]
    codes = torch.empty(n, 1, 0, dtype=torch.int64, device=rows.device)
    residuals = rows[:, None, :]
    errors = torch.zeros(n, 1, device=rows.device)
    for level, nearest in enumerate(levels):
        width = residuals.shape[1]
        scores = nearest.scores(residuals.reshape(-1, dim), 0, codebook_size).view(n, width, codebook_size)
        totals = (scores + errors[:, :, None]).view(n, -1)
        kept = min(beam, totals.shape[1])
        errors, flat = totals.topk(kept, dim=1, largest=False)
        parent, code = flat // codebook_size, flat % codebook_size
        codes = torch.cat([codes.gather(1, parent[:, :, None].expand(-1, -1, level)), code[:, :, None]], dim=2)
        residuals = residuals.gather(1, parent[:, :, None].expand(-1, -1, dim)) - codebooks[level][code]
    return codes[:, 0]
