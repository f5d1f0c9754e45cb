"""What the item head says of codes: the targets by which it teaches the heads that write them."""

import itertools

import torch
from torch import Tensor, nn


class CodeOrder(nn.Module):
    """Items in the lexicographic order of their codes, in which the items of a prefix lie side by side.

    It learns nothing, and is a module to go to the device with the model that it is of. items: int64 [n]; codes: int64
    [n, L], of these items; first, last: int64 [L + 1, n], by item: where those of its first l codes begin, and end, in
    that order; begun: int64 [L + 1, n + 1], by place: how many prefixes of l codes begin before it; child_codes: int64,
    the last codes of all prefixes in that order, those of l + 1 codes from `first_child[l]` on.
    """

    items: Tensor
    codes: Tensor
    first: Tensor
    last: Tensor
    begun: Tensor
    child_codes: Tensor

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        n, num_levels = codes.shape
        order = torch.arange(n)
        for level in reversed(range(num_levels)):
            order = order[codes[order, level].argsort(stable=True)]
        in_order = codes[order]
        changes = (in_order[1:] != in_order[:-1]).cumsum(dim=1) > 0
        first, last = torch.empty(2, num_levels + 1, n, dtype=torch.int64)
        begun = torch.zeros(num_levels + 1, n + 1, dtype=torch.int64)
        for length in range(num_levels + 1):
            begins = torch.ones(n, dtype=torch.bool)
            begins[1:] = changes[:, length - 1] if length else False
            starts = begins.nonzero()[:, 0]
            ends = torch.cat([starts[1:], starts.new_tensor([n])])
            begun[length, 1:] = begins.cumsum(0)
            group = begun[length, 1:] - 1
            first[length, order], last[length, order] = starts[group], ends[group]
        children = [in_order[begins.diff() > 0, level] for level, begins in enumerate(begun[1:])]
        self.first_child = [0, *itertools.accumulate(map(len, children))]
        tables = {"items": order, "codes": in_order, "first": first, "last": last, "begun": begun}
        tables["child_codes"] = torch.cat(children)
        for name, tensor in tables.items():
            self.register_buffer(name, tensor, persistent=False)

    def behind(self, targets: Tensor, level: int) -> tuple[Tensor, Tensor]:
        """Return places int64 [n, m] of the items that share `level` codes with targets int64 [n], and which they are.

        The second is bool [n, m]: the rows are as wide as the longest, and False behind the end of the others. All
        items share no code: then there is one row [1, m] for all targets.
        """
        if level == 0:
            places = torch.arange(len(self.items), device=targets.device)[None]
            return places, torch.ones_like(places, dtype=torch.bool)
        first, last = self.first[level][targets], self.last[level][targets]
        place = torch.arange(int((last - first).max()), device=targets.device)
        return (first[:, None] + place).clamp(max=len(self.items) - 1), place < (last - first)[:, None]

    def has_siblings(self, targets: Tensor, level: int) -> Tensor:
        """Return bool [n]: whether items that share `level` codes with targets int64 [n] have other codes next."""
        sizes = self.last[level : level + 2, targets] - self.first[level : level + 2, targets]
        return sizes[0] > sizes[1]

    def existing(self, targets: Tensor, level: int, size: int, parallel: bool = False) -> Tensor:
        """Return bool [n, K] or [1, K]: the codes of a level that exist behind those before it of targets int64 [n].

        With `parallel` no level asks for those before it, as none does at the first.
        """
        if level == 0 or parallel:
            return (torch.bincount(self.codes[:, level], minlength=size) > 0)[None]
        begun = self.begun[level + 1]
        start, stop = (self.first_child[level] + begun[ends[level][targets]] for ends in (self.first, self.last))
        place = start[:, None] + torch.arange(int((stop - start).max()), device=targets.device)
        codes = self.child_codes[place.clamp(max=len(self.child_codes) - 1)]
        exists = torch.zeros(len(targets), size, device=targets.device)
        return exists.scatter_add_(1, codes, (place < stop[:, None]).float()) > 0

    def taught(self, scores: Tensor, behind: tuple[Tensor, Tensor], level: int, size: int) -> Tensor:
        """Return the distribution float32 [n, K] of a code: the shares of the items that have it, of those `behind`.

        scores: float32 [n, items], logits of a softmax over all items, in the order of their codes.
        """
        places, is_item = behind
        codes = self.codes[:, level][places].expand(len(scores), -1)
        if places.shape[1] < scores.shape[1]:
            scores = scores.gather(1, places.expand(len(scores), -1)).masked_fill(~is_item, float("-inf"))
        return scores.new_zeros(len(scores), size).scatter_add_(1, codes, scores.softmax(dim=1))
