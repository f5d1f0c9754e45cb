"""Residual codes by beam search, which keeps several partial codes of each row."""

from collections.abc import Sequence

import torch
from torch import Tensor

from semid.quantizers.kernels import compiled
from semid.quantizers.kernels.top_k import smallest_sums

# the floats that the tables of codeword products may take, from the first row on, and after so many rows
_TABLES_AT_MOST = 1 << 24
_TABLES_AT_MOST_LATER = 1 << 28
_ROWS_BEFORE = 8192
# the scores held at once, in floats: they are read three times and should stay in cache
_SCORES_AT_ONCE = 1 << 18
# the rows of a block, at least, where codebooks are large: each block reads every codebook anew
_ROWS_AT_LEAST = 64


class BeamSearch:
    """Finds the residual codes of smallest total error among `beam` partial codes that are kept of each row.

    `beam` is the `max_beam_size` of faiss.ResidualQuantizer; see Babenko and Lempitsky, "Additive quantization" (2014).
    Since ⟨x − Σ c_j, c⟩ = ⟨x, c⟩ − Σ ⟨c_j, c⟩, each row is multiplied only once with the codebook [K, d] of each level,
    whatever the beam, and tables of codeword products give the rest. Tables of more than 64 MB are made once thousands
    of rows were searched, and take 1 GB at most. Where there are none, every residual is multiplied with the codebooks.
    """

    def __init__(self, codebooks: Sequence[Tensor] | Tensor, beam: int) -> None:
        self._codebooks, self._beam = list(codebooks), beam
        self._norms = [codebook.square().sum(dim=1) for codebook in codebooks]
        sizes = [len(codebook) for codebook in codebooks]
        # the number of codewords of all levels before each level
        before = [sum(sizes[:level]) for level in range(len(sizes))]
        self._offsets = torch.tensor(before, device=self._codebooks[0].device)
        self._rows_at_once = max(_ROWS_AT_LEAST, _SCORES_AT_ONCE // (beam * max(sizes)))
        self._tables: list[Tensor] | None = None
        self._searched, self._size_of_tables = 0, sum(rows * size for rows, size in zip(before, sizes, strict=True))
        if self._size_of_tables <= _TABLES_AT_MOST:
            self._make_tables()

    def _make_tables(self) -> None:
        """Make for each level the table of 2⟨c_j, c⟩ for the codewords c_j of all levels before it: [before, K]."""
        self._tables = [
            2 * torch.cat([codebook[:0], *self._codebooks[:level]]) @ codebook.t()
            for level, codebook in enumerate(self._codebooks)
        ]
        sizes = [len(codebook) for codebook in self._codebooks]
        if compiled.runs_on(self._codebooks[0].device):
            # compiled loops hold the sums of one partial code
            self._rows_at_once = max(_ROWS_AT_LEAST, _SCORES_AT_ONCE // max(sizes) * 2)

    def __call__(self, rows: Tensor) -> Tensor:
        """Return codes int64 [n, L] of rows [n, d]."""
        if self._tables is None and self._searched >= _ROWS_BEFORE and self._size_of_tables <= _TABLES_AT_MOST_LATER:
            self._make_tables()
        self._searched += len(rows)
        return torch.cat([self._codes(part) for part in rows.split(self._rows_at_once)])

    def _codes(self, rows: Tensor) -> Tensor:
        n, dim = rows.shape
        n_levels = len(self._codebooks)
        codes = torch.empty(n, 1, 0, dtype=torch.int64, device=rows.device)
        errors = torch.zeros(n, 1, device=rows.device)
        residuals = rows[:, None, :]
        for level in range(n_levels):
            k = len(self._codebooks[level])
            left = rows if self._tables is not None else residuals.reshape(-1, dim)
            scores = torch.addmm(self._norms[level], left, self._codebooks[level].t(), alpha=-2).view(n, -1, k)
            kept = self._beam if level + 1 < n_levels else 1
            errors, parent, code = self._extend(errors, scores, codes, level, kept)
            codes = torch.cat([codes.gather(1, parent[:, :, None].expand(-1, -1, level)), code[:, :, None]], dim=2)
            if self._tables is None:
                of_parents = residuals.gather(1, parent[:, :, None].expand(-1, -1, dim))
                residuals = of_parents - self._codebooks[level][code]
        return codes[:, 0]

    def _extend(
        self, errors: Tensor, scores: Tensor, codes: Tensor, level: int, count: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the `count` smallest errors [n, count] of codes one level longer, their parents and their new codes.

        errors: float32 [n, B], of codes int64 [n, B, level]; scores: float32 [n, B, K], or [n, 1, K] with tables.
        """
        n, width, k = len(codes), codes.shape[1], scores.shape[2]
        table, entries = self._norms[level][None], codes[:, :, :0]
        if self._tables is not None and level > 0:
            table, entries = self._tables[level], codes + self._offsets[:level]
        if compiled.runs_on(scores.device):
            return compiled.smallest_sums(errors, scores, entries, table, count)
        if entries.shape[2]:
            crossed = torch.nn.functional.embedding_bag(entries.view(-1, level), table, mode="sum")
            scores = crossed.view(n, width, k).add_(scores)
        return smallest_sums(errors, scores, count)
