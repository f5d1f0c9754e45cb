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


def smallest_sums(left: Tensor, scores: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The `count` smallest (all, where there are fewer) of left[:, b] + scores[:, b, k], ascending, with their b and k.

    left [n, B], contiguous scores [n, B, K]; all three results [n, count].
    """
    n, width, k = scores.shape
    if k % GROUP or width * k // GROUP < 2 * count:
        sums = (scores + left[:, :, None]).view(n, -1)
        values, flat = _smallest(sums, count)
        return values, flat // k, flat % k
    # the smallest lie in the groups of the smallest minima
    minima = group_minima(scores.view(n * width, k)).view(n, width, -1) + left[:, :, None]
    groups = _smallest(minima.view(n, -1), count)[1]
    rows = torch.arange(n, device=scores.device).repeat_interleave(count)
    inside = members(scores.view(n, -1), rows, groups.flatten()).view(n, count, GROUP)
    inside += left.gather(1, groups // (k // GROUP))[:, :, None]
    values, position = _smallest(inside.view(n, -1), count)
    flat = groups.gather(1, position // GROUP) * GROUP + position % GROUP
    return values, flat // k, flat % k


def _smallest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` smallest of each row of values [n, m], ascending, and their columns; of one the first column."""
    if count == 1:
        least, columns = values.min(dim=1, keepdim=True)
    else:
        least, columns = values.topk(min(count, values.shape[1]), dim=1, largest=False)
    return least, columns
