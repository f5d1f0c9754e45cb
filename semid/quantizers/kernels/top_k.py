"""The k smallest of many scores, and the single smallest, faster than torch finds them on a CPU.

There a minimum is vectorized, but a minimum together with its column is not. So the minimum of each group of 32 columns
comes first, and columns are looked for only inside the groups that can hold the smallest scores.
"""

import torch
from torch import Tensor

GROUP = 32


def group_minima(scores: Tensor) -> Tensor:
    """Return the minimum of each group of 32 columns, [n, K / 32], of contiguous scores [n, K]."""
    return scores.view(len(scores), -1, GROUP).amin(dim=2)


def members(scores: Tensor, rows: Tensor, groups: Tensor) -> Tensor:
    """Return the 32 scores of each pair of a row [p] and a group [p], [p, 32], of contiguous scores [n, K]."""
    return scores.view(-1, GROUP).index_select(0, rows * (scores.shape[1] // GROUP) + groups)


def lowest(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return the lowest of each row of scores [n, K] and the first column that holds it, as `min(dim=1)` does."""
    n, k = scores.shape
    if k % GROUP or k == GROUP or scores.device.type != "cpu":
        values, columns = scores.min(dim=1)
        return values, columns
    group = group_minima(scores).min(dim=1).indices
    values, position = members(scores, torch.arange(n), group).min(dim=1)
    return values, group * GROUP + position


def smallest_sums(left: Tensor, scores: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the `count` smallest of left[:, b] + scores[:, b, k] in ascending order, and the b and k of each.

    `left` is [n, B] and the contiguous `scores` are [n, B, K]; the three results are [n, count], or narrower where
    there are fewer sums.
    """
    n, width, k = scores.shape
    if k % GROUP or width * k // GROUP < 2 * count:
        sums = (scores + left[:, :, None]).view(n, -1)
        values, flat = _smallest(sums, count)
        return values, flat // k, flat % k
    # the smallest sums lie in the groups that have the smallest minima
    minima = group_minima(scores.view(n * width, k)).view(n, width, -1) + left[:, :, None]
    groups = _smallest(minima.view(n, -1), count)[1]
    rows = torch.arange(n, device=scores.device).repeat_interleave(count)
    inside = members(scores.view(n, -1), rows, groups.flatten()).view(n, count, GROUP)
    inside += left.gather(1, groups // (k // GROUP))[:, :, None]
    values, position = _smallest(inside.view(n, -1), count)
    flat = groups.gather(1, position // GROUP) * GROUP + position % GROUP
    return values, flat // k, flat % k


def _smallest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the `count` smallest of each row of values [n, m] in ascending order, and their columns.

    Where `count` is 1, the column is the first that holds the value.
    """
    if count == 1:
        least, columns = values.min(dim=1, keepdim=True)
    else:
        least, columns = values.topk(min(count, values.shape[1]), dim=1, largest=False)
    return least, columns
