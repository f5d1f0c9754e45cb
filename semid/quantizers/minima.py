"""The smallest of many scores: first of each group of 32 columns, then of the members of the groups that matter.

On a CPU the minimum alone is vectorized and the minimum with its column is not: the second is left with few columns.
"""

import torch
from torch import Tensor

GROUP = 32


def group_minima(scores: Tensor) -> Tensor:
    """The minimum of each group of columns, [n, K / 32], of contiguous scores [n, K]."""
    return scores.view(len(scores), -1, GROUP).amin(dim=2)


def members(scores: Tensor, rows: Tensor, groups: Tensor) -> Tensor:
    """The 32 scores [p, 32] of each pair of a row [p] and a group [p] of contiguous scores [n, K]."""
    return scores.view(-1, GROUP).index_select(0, rows * (scores.shape[1] // GROUP) + groups)


def lowest(scores: Tensor) -> tuple[Tensor, Tensor]:
    """The lowest of each row of scores [n, K] and its first column, as `min(dim=1)`."""
    n, k = scores.shape
    if k % GROUP or k == GROUP or scores.device.type != "cpu":
        values, columns = scores.min(dim=1)
        return values, columns
    group = group_minima(scores).min(dim=1).indices
    values, position = members(scores, torch.arange(n), group).min(dim=1)
    return values, group * GROUP + position


def smallest(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` smallest (all, where there are fewer) of each row of scores [n, K], ascending, and their columns."""
    n, k = scores.shape
    if count == 1:
        values, columns = lowest(scores)
        return values[:, None], columns[:, None]
    if k % GROUP or k // GROUP < 2 * count:
        return scores.topk(min(count, k), dim=1, largest=False)
    # the smallest lie in the groups of the smallest minima
    group = group_minima(scores).topk(count, dim=1, largest=False).indices
    rows = torch.arange(n, device=scores.device).repeat_interleave(count)
    values, position = members(scores, rows, group.flatten()).view(n, -1).topk(count, dim=1, largest=False)
    return values, group.gather(1, position // GROUP) * GROUP + position % GROUP
