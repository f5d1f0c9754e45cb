"""The tree of the codes that exist, and the buckets nearest to a query in the space of the codebooks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.ragged import concatenated_ranges

# A depth of at most this many nodes is compared with every query; below it only children of the nearest nodes are.
NODES_AT_ONCE = 1 << 16
# So many scores, floats, are held at once.
SCORES_AT_ONCE = 1 << 23


@dataclass(frozen=True, eq=False)
class CodeTree:
    """The prefixes that occur, depth by depth, with what their distance to a query needs.

    Entry d − 1 of each: `codes` int64 [nodes, d]; `norms` float32 [nodes], ‖Σ c‖² of the prefix's codewords;
    `first_child` int64 [nodes + 1], the nodes of depth d + 1 (of depth L: the buckets themselves) below it, which are
    contiguous. `codebooks` [L, K, d'] are those of the tokenizer.
    """

    codebooks: Tensor
    codes: tuple[Tensor, ...]
    norms: tuple[Tensor, ...]
    first_child: tuple[np.ndarray, ...]

    @classmethod
    def build(cls, index: InvertedIndex, codebooks: Tensor) -> "CodeTree":
        """Build the tree of an index under the codebooks [L, K, d'] that its codes name."""
        codes, norms, first_child = [], [], []
        starts = [groups.offsets[:-1] for groups in index.prefix_groups]
        for depth, first_buckets in enumerate(starts, start=1):
            prefixes = torch.from_numpy(index.codes[first_buckets, :depth].astype(np.int64))
            codes.append(prefixes)
            norms.append(_squared_sums(codebooks, prefixes))
            below = starts[depth] if depth < len(starts) else first_buckets
            first_child.append(np.append(np.searchsorted(below, first_buckets), len(below)))
        return cls(codebooks, tuple(codes), tuple(norms), tuple(first_child))

    def nearest_buckets(self, latent: Tensor, count: int) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (slice of queries, int64 [queries, ≤ count] buckets, nearest first; −1 where there are no more).

        latent: queries float32 [n, d'] in the space of the codebooks. Exact where the buckets are few enough to be
        compared with every query; else the `count` nearest prefixes are kept at every depth.
        """
        depth = max([d for d, codes in enumerate(self.codes, start=1) if len(codes) <= NODES_AT_ONCE], default=1)
        step = max(1, SCORES_AT_ONCE // len(self.codes[depth - 1]))
        for start in range(0, len(latent), step):
            rows = slice(start, min(start + step, len(latent)))
            # −2⟨z, c⟩ of every codeword, [L · K, queries]
            products = (self.codebooks.flatten(0, 1) @ latent[rows].t()).mul_(-2)
            nodes, scores = self._nearest_of_all(products, depth, count)
            for deeper in range(depth + 1, len(self.codes) + 1):
                nodes, scores = self._nearest_children(products, nodes, scores, deeper, count)
            yield rows, nodes.numpy()

    def _entries(self, codes: Tensor) -> Tensor:
        """Return the rows of the flattened codebooks that codes [n, d] name."""
        return codes + torch.arange(codes.shape[1]) * self.codebooks.shape[1]

    def _nearest_of_all(self, products: Tensor, depth: int, count: int) -> tuple[Tensor, Tensor]:
        entries = self._entries(self.codes[depth - 1])
        scores = torch.nn.functional.embedding_bag(entries, products, mode="sum").add_(self.norms[depth - 1][:, None])
        values, nodes = scores.t().topk(min(count, len(entries)), dim=1, largest=False)
        return nodes, values

    def _nearest_children(
        self, products: Tensor, nodes: Tensor, scores: Tensor, depth: int, count: int
    ) -> tuple[Tensor, Tensor]:
        """Return the nearest nodes of `depth` below nodes [n, m] of the depth before (−1: none), and their scores."""
        n = len(nodes)
        parents, kept = nodes.numpy(), nodes.numpy() >= 0
        first = self.first_child[depth - 2]
        starts, stops = first[parents[kept]], first[parents[kept] + 1]
        children = torch.from_numpy(concatenated_ranges(starts, stops))
        owner = torch.from_numpy(np.repeat(np.nonzero(kept)[0], stops - starts))
        # The score of a child is that of its parent, less the parent's norm, plus its own norm and the product of its
        # last code.
        carried = scores[nodes >= 0] - self.norms[depth - 2][nodes[nodes >= 0]]
        last = self.codes[depth - 1][children, -1] + (depth - 1) * self.codebooks.shape[1]
        child_scores = carried.repeat_interleave(torch.from_numpy(stops - starts))
        child_scores += self.norms[depth - 1][children] + products[last, owner]
        lengths = torch.bincount(owner, minlength=n)
        place = torch.arange(len(owner)) - (lengths.cumsum(0) - lengths)[owner]
        table = torch.full((n, int(lengths.max())), float("inf"))
        table[owner, place] = child_scores
        numbers = torch.full(table.shape, -1)
        numbers[owner, place] = children
        values, position = table.topk(min(count, table.shape[1]), dim=1, largest=False)
        return numbers.gather(1, position), values


@dataclass(frozen=True, eq=False)
class CodeSpace:
    """Measures how far a query is from codes.

    tree: the codes that occur; latent: a function from vectors float32 [n, dim] to [n, d'] in the space of the
    codebooks.
    """

    tree: CodeTree
    latent: Callable[[Tensor], Tensor]


def _squared_sums(codebooks: Tensor, codes: Tensor) -> Tensor:
    """Return ‖Σ c‖² [n] of the codewords that codes [n, d] name in the first d codebooks."""
    flat = codebooks.flatten(0, 1)
    offsets = torch.arange(codes.shape[1]) * codebooks.shape[1]
    parts = [
        torch.nn.functional.embedding_bag(part + offsets, flat, mode="sum").square_().sum(dim=1)
        for part in codes.split(1 << 14)
    ]
    return torch.cat(parts)
