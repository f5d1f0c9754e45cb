"""The nearest codeword of each row among those that lower bounds of all scores leave open.

A way to screen codewords gives a lower bound of every score ‖c‖² − 2⟨x, c⟩ of a row, and an upper bound of its lowest
score. A codeword whose lower bound lies above the upper bound is proved not to be the nearest. The few that are left
are compared by scores that are summed in float64.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from semid.quantizers.kernels import compiled
from semid.quantizers.kernels.top_k import GROUP, group_minima, members

_PAIRS_AT_ONCE = 4096


class PairScores:
    """Scores of single pairs of a row and a codeword of `codebook` float32 [K, d], as float64; reuses its buffers."""

    def __init__(self, codebook: Tensor) -> None:
        self._codebook = codebook
        self._norms = torch.cat([part.square().sum(dim=1, dtype=torch.float64) for part in codebook.split(2048)])
        self._left, self._right = (codebook.new_empty(_PAIRS_AT_ONCE, codebook.shape[1]) for _ in range(2))

    def __call__(self, rows: Tensor, codes: Tensor, index: Tensor | None = None) -> Tensor:
        """Return the scores of pairs: of rows[index[i]], or of rows[i] without an `index`, and the codeword codes[i].

        rows: float32 [n, d]; codes and `index`: int64 [pairs].
        """
        compiled.count_products(len(codes) * rows.shape[1])
        scores = self._norms[codes]
        for start in range(0, len(codes), _PAIRS_AT_ONCE):
            stop = min(start + _PAIRS_AT_ONCE, len(codes))
            right = torch.index_select(self._codebook, 0, codes[start:stop], out=self._right[: stop - start])
            if index is None:
                left = rows[start:stop]
            else:
                left = torch.index_select(rows, 0, index[start:stop], out=self._left[: stop - start])
            scores[start:stop] -= 2 * right.mul_(left).sum(dim=1, dtype=torch.float64)
        return scores

    def nearest_in_one_loop(self, rows: Tensor, bounds: Tensor, rounding: Tensor) -> tuple[Tensor, int]:
        """Return the codes int64 [n] of the lowest scores of rows [n, d], and how many scores it took.

        `bounds` [n, K'] are lower bounds of the scores, less `rounding` [n], in groups of 32 that infinity pads.
        """
        return compiled.nearest_by_bounds(
            rows.contiguous(), bounds, group_minima(bounds), rounding, self._codebook, self._norms
        )

    def nearest(self, rows: Tensor, index: Tensor, owner: Tensor, candidates: Tensor) -> Tensor:
        """Return the candidate of lowest score of each of the rows[index], int64 [len(index)]; the lowest if equal.

        candidates[i] is a candidate of rows[index[owner[i]]].
        """
        scores = self(rows, candidates, index[owner])
        best = torch.full((len(index),), float("inf"), dtype=torch.float64).scatter_reduce_(0, owner, scores, "amin")
        winners = scores == best[owner]
        codes = torch.full((len(index),), len(self._codebook))
        return codes.scatter_reduce_(0, owner[winners], candidates[winners], "amin")


def nearest_by_bounds(
    rows: Tensor,
    bounds: Tensor,
    upper_of: Callable[[Tensor, Tensor], Tensor],
    pair_scores: PairScores,
    most_pairs: int,
) -> Tensor | None:
    """Return the codes int64 [n] of the lowest scores of rows [n, d]; None where more than `most_pairs` stay open.

    `bounds` [n, K] are lower bounds of the scores, whatever the unit of a row; K is a multiple of 32, padded by
    infinity. `upper_of` gives upper bounds [n] of the lowest score of each row, in its unit, from the codes [n] of the
    lowest bounds and these bounds [n].
    """
    n, k = bounds.shape
    minima = group_minima(bounds)
    group = minima.min(dim=1).indices
    inside = members(bounds, torch.arange(n), group)
    bound, position = inside.min(dim=1)
    codes = group * GROUP + position
    upper = upper_of(codes, bound)

    is_open = ((inside <= upper[:, None]).sum(dim=1) > 1) | ((minima <= upper[:, None]).sum(dim=1) > 1)
    unsettled = is_open.nonzero().flatten()
    if len(unsettled) == 0:
        return codes
    upper = upper[unsettled]
    owner, group = (minima[unsettled] <= upper[:, None]).nonzero(as_tuple=True)
    if len(owner) * GROUP > n * k // 2:
        return None  # looking through them would take as long as the products
    near = members(bounds, unsettled[owner], group) <= upper[owner, None]
    pair, position = near.nonzero(as_tuple=True)
    if len(pair) > most_pairs:
        return None
    owner, candidates = owner[pair], group[pair] * GROUP + position
    codes[unsettled] = pair_scores.nearest(rows, unsettled, owner, candidates)
    return codes
