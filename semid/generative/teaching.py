"""What the item head says of codes: the targets by which it teaches the heads that write them."""

import torch
from torch import Tensor, nn


class CodeOrder(nn.Module):
    """Items in the lexicographic order of their codes, in which the items of a prefix lie side by side.

    It learns nothing, and is a module to go to the device with the model that it is of. items: int64 [n]; codes: int64
    [n, L], of these items; first, last: int64 [L + 1, n], by item: where those of its first l codes begin, and end, in
    that order.
    """

    items: Tensor
    codes: Tensor
    first: Tensor
    last: Tensor

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        n, num_levels = codes.shape
        order = torch.arange(n)
        for level in reversed(range(num_levels)):
            order = order[codes[order, level].argsort(stable=True)]
        in_order = codes[order]
        changes = (in_order[1:] != in_order[:-1]).cumsum(dim=1) > 0
        first, last = torch.empty(2, num_levels + 1, n, dtype=torch.int64)
        for length in range(num_levels + 1):
            begins = torch.ones(n, dtype=torch.bool)
            begins[1:] = changes[:, length - 1] if length else False
            starts = begins.nonzero()[:, 0]
            ends = torch.cat([starts[1:], starts.new_tensor([n])])
            group = begins.cumsum(0) - 1
            first[length, order], last[length, order] = starts[group], ends[group]
        for name, tensor in (("items", order), ("codes", in_order), ("first", first), ("last", last)):
            self.register_buffer(name, tensor, persistent=False)

    def behind(self, targets: Tensor, level: int) -> tuple[Tensor, Tensor]:
        """Return places int64 [n, m] of the items that share `level` codes with targets int64 [n], and which they are.

        The second is bool [n, m]: the rows are as wide as the longest, and False behind the end of the others.
        """
        first, last = self.first[level][targets], self.last[level][targets]
        place = torch.arange(int((last - first).max()), device=targets.device)
        return (first[:, None] + place).clamp(max=len(self.items) - 1), place < (last - first)[:, None]


@torch.no_grad()
def taught_codes(
    scores: Tensor, targets: Tensor, order: CodeOrder, sizes: tuple[int, ...], parallel: bool
) -> list[Tensor]:
    """Return for each level the distribution float32 [n, K] of its code behind the target's codes before it.

    scores: float32 [n, items], logits of a softmax over all items, in the order of their codes; targets: int64 [n],
    items. The probability of a code is the sum over the items that have it, among those with the codes before it; with
    `parallel`, among all.
    """
    taught = []
    for level, size in enumerate(sizes):
        if level == 0 or parallel:
            shares = scores.softmax(dim=1)
            codes = order.codes[:, level].expand(len(scores), -1)
        else:
            places, is_item = order.behind(targets, level)
            shares = scores.gather(1, places).masked_fill(~is_item, float("-inf")).softmax(dim=1)
            codes = order.codes[:, level][places]
        taught.append(scores.new_zeros(len(scores), size).scatter_add_(1, codes, shares))
    return taught


def existing_codes(targets: Tensor, order: CodeOrder, level: int, size: int) -> Tensor:
    """Return bool [n, K]: the codes of a level that exist behind the codes that targets int64 [n] have before it."""
    places, is_item = order.behind(targets, level)
    exists = torch.zeros(len(targets), size, dtype=torch.bool, device=targets.device)
    row, column = is_item.nonzero(as_tuple=True)
    exists[row, order.codes[:, level][places[row, column]]] = True
    return exists
