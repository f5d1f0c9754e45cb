"""The centroid that each row of a k-means is assigned to.

Every row is compared with all centroids, or, where there are thousands, with the few that lay nearest a few updates
before, which takes a tenth of the time. This misses the nearest centroid of some percent of the rows, so that the last
assignments, by which a clustering is judged to be done and labelled, compare all.
"""

from pathlib import Path

import torch
from torch import Tensor

from semid.quantizers.kernels.blocks import empty_tensor
from semid.quantizers.kernels.directions import ROWS_TRIED, can_have_directions, longest_directions
from semid.quantizers.kernels.nearest import NearestCodeword, directions_for
from semid.quantizers.kernels.screening import QuantizedRows, can_screen, quantize_rows

# from so many clusters on there are lists, of so many centroids, which are made anew after so many updates
_LISTS_FROM = 4096
_NEAR = 8
_UPDATES_BY_LISTS = 5
_ROWS_AT_ONCE = 256
# the share of rows whose nearest seed must be listed
_LISTED_AT_LEAST = 0.9


def _directions_of_lists(rows: Tensor, seeds: Tensor) -> Tensor | None:
    """Return the directions by which to list centroids; None where these are few, or lists miss the nearest."""
    if len(seeds) < _LISTS_FROM or not can_have_directions(seeds):
        return None
    # a quarter of all directions does to name centroids
    nearest = NearestCodeword(seeds, directions=longest_directions(seeds, seeds.shape[1] // 4))
    tried = rows[:: max(1, len(rows) // ROWS_TRIED)]
    is_listed = (nearest.near(tried, _NEAR) == nearest(tried)[0][:, None]).any(dim=1)
    return nearest.directions if float(is_listed.float().mean()) >= _LISTED_AT_LEAST else None


class Assignment:
    """Assigns `rows` [n, d] to centroids [K, d] that move from the `seeds`; for k-means, which has the arguments.

    `by_lists`: whether the next assignment may compare each row with the centroids of its list alone.
    """

    def __init__(
        self, rows: Tensor, seeds: Tensor, row_block: int, codeword_block: int, scratch: str | Path | None
    ) -> None:
        self._rows, self._row_block, self._codeword_block, self._scratch = rows, row_block, codeword_block, scratch
        self._center = seeds.mean(dim=0)
        self._quantized: QuantizedRows | None = None
        # rows lie much nearer to means than to the rows that are seeds: directions that pay are looked for twice
        self._directions: Tensor | None = None
        self._looks = 2
        self._directions_of_lists = _directions_of_lists(rows, seeds)
        self.by_lists = self._directions_of_lists is not None
        listed = len(rows) if self.by_lists else 0
        self._near, self._uses = empty_tensor(listed, _NEAR, torch.int32, scratch), _UPDATES_BY_LISTS

    def list_anew(self) -> None:
        """Make lists anew in the next assignment, because a centroid has moved far."""
        self._uses = _UPDATES_BY_LISTS

    def __call__(self, centroids: Tensor, is_last: bool) -> Tensor:
        """Return the number int64 [n] of the centroid of each row: of all the nearest, in the last iteration."""
        if self.by_lists and not is_last:
            self._uses += 1
            if self._uses > _UPDATES_BY_LISTS:
                self._uses = 1
                nearest = NearestCodeword(centroids, directions=self._directions_of_lists)
                for part, near in zip(
                    self._rows.split(self._row_block), self._near.split(self._row_block), strict=True
                ):
                    near.copy_(nearest.near(part, _NEAR))
            return self._nearest_of_lists(centroids)
        # where the processor has products of int8, these come first: which of the two is faster is not known
        if self._looks and not can_screen(centroids, quantized_before=True):
            self._directions, self._looks = directions_for(centroids, self._rows), self._looks - 1
        nearest = NearestCodeword(centroids, self._codeword_block, self._center, self._directions)
        if nearest.screens and self._quantized is None:
            self._quantized = quantize_rows(self._rows, self._center, self._scratch)
        labels = torch.empty(len(self._rows), dtype=torch.int64, device=self._rows.device)
        for start in range(0, len(self._rows), self._row_block):
            stop = min(start + self._row_block, len(self._rows))
            quantized = self._quantized.part(start, stop) if self._quantized else None
            labels[start:stop] = nearest.codes(self._rows[start:stop], quantized)
        self._directions = nearest.directions
        return labels

    def _nearest_of_lists(self, centroids: Tensor) -> Tensor:
        norms = centroids.square().sum(dim=1)
        labels = torch.empty(len(self._rows), dtype=torch.int64)
        for start in range(0, len(self._rows), _ROWS_AT_ONCE):
            rows, near = self._rows[start : start + _ROWS_AT_ONCE], self._near[start : start + _ROWS_AT_ONCE].long()
            centroids_near = centroids.index_select(0, near.flatten()).view(*near.shape, -1)
            scores = norms[near].sub_(torch.bmm(centroids_near, rows[:, :, None])[:, :, 0], alpha=2)
            labels[start : start + len(rows)] = near.gather(1, scores.argmin(dim=1, keepdim=True))[:, 0]
        return labels
