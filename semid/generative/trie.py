"""The tree of the codes that exist, for a search that writes no other."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.seen import Seen


@dataclass(frozen=True, eq=False)
class Depth:
    """The prefixes of one length d that occur, in lexicographic order.

    codes: int64 [nodes, d]; parents: int64 [nodes], among the nodes of length d − 1 (0 at length 1).
    first_child: int64 [parents + 1], where the children of each node of length d − 1 begin, and where the last end.
    items: int64 [nodes], how many items have the prefix; node_of_item: int64 [items].
    """

    codes: Tensor
    parents: Tensor
    first_child: Tensor
    items: np.ndarray
    node_of_item: np.ndarray

    def exhausted(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """Return users and nodes, int64 [pairs] each: the nodes of which a user has seen all items."""
        nodes = len(self.codes)
        keys, counts = np.unique(seen.owner * nodes + self.node_of_item[seen.item], return_counts=True)
        keys = keys[counts == self.items[keys % nodes]]
        return torch.from_numpy(keys // nodes), torch.from_numpy(keys % nodes)

    def unseen(self, seen: Seen, nodes: Tensor) -> Tensor:
        """Return int64 [n, m]: how many items of nodes int64 [n, m] (−1: none) each user has not seen."""
        counts = torch.from_numpy(self.items)[nodes.clamp(min=0)].masked_fill(nodes < 0, 0)
        keys, times = np.unique(seen.owner * len(self.codes) + self.node_of_item[seen.item], return_counts=True)
        if not len(keys):
            return counts
        wanted = (torch.arange(len(nodes))[:, None] * len(self.codes) + nodes).numpy()
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return counts - torch.from_numpy(np.where((keys[place] == wanted) & (nodes.numpy() >= 0), times[place], 0))


@dataclass(frozen=True, eq=False)
class CodeTrie:
    """The prefixes of the codes of an inverted index, length by length; those of length L are its buckets."""

    depths: tuple[Depth, ...]

    @classmethod
    def build(cls, index: InvertedIndex) -> Self:
        """Build the tree of an index."""
        depths: list[Depth] = []
        before = np.zeros(1, np.int64)
        for length, groups in enumerate(index.prefix_groups, start=1):
            first_bucket = groups.offsets[:-1].astype(np.int64)
            first_child = np.append(np.searchsorted(first_bucket, before), len(first_bucket))
            depths.append(
                Depth(
                    codes=torch.from_numpy(index.codes[first_bucket, :length].astype(np.int64)),
                    parents=torch.from_numpy(np.repeat(np.arange(len(before)), np.diff(first_child))),
                    first_child=torch.from_numpy(first_child),
                    items=np.diff(index.offsets[groups.offsets]),
                    node_of_item=groups.group_of_bucket[index.bucket_of_item].astype(np.int64),
                )
            )
            before = first_bucket
        return cls(tuple(depths))

    @property
    def num_buckets(self) -> int:
        """Number of codes that exist."""
        return len(self.depths[-1].codes)
