"""The tree of the codes that exist, and the buckets nearest to a query in the space of the codebooks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.ragged import concatenated_ranges, split_by_budget

# A depth of at most this many nodes is compared with every query; below it only children of the nearest nodes are.
NODES_AT_ONCE = 1 << 16
# So many scores, floats, are held at once.
SCORES_AT_ONCE = 1 << 23
# So many products of queries and codewords, floats, are held at once.
PRODUCTS_AT_ONCE = 1 << 25
# So many children of prefixes, about 80 bytes each, are scored at once.
CHILDREN_AT_ONCE = 1 << 20


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
        compared with every query; else the `count` nearest prefixes are kept at every depth. Memory holds
        SCORES_AT_ONCE scores, as many products of queries and codewords, and CHILDREN_AT_ONCE children of prefixes,
        or what a single query needs where that is more.
        """
        depth = max([d for d, codes in enumerate(self.codes, start=1) if len(codes) <= NODES_AT_ONCE], default=1)
        codewords = self.codebooks.shape[0] * self.codebooks.shape[1]
        step = min(SCORES_AT_ONCE // len(self.codes[depth - 1]), PRODUCTS_AT_ONCE // codewords)
        for rows in _slices(len(latent), step):
            # −2⟨z, c⟩ of every codeword, [L · K, queries]
            products = (self.codebooks.flatten(0, 1) @ latent[rows].t()).mul_(-2)
            for part in _slices(rows.stop - rows.start, SCORES_AT_ONCE // min(count, len(self.codes[-1]))):
                of_part = products[:, part].contiguous()
                nodes, scores = self._nearest_of_all(of_part, depth, count)
                for deeper in range(depth + 1, len(self.codes) + 1):
                    nodes, scores = self._nearest_children(of_part, nodes, scores, deeper, count)
                yield slice(rows.start + part.start, rows.start + part.stop), nodes.numpy()

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
        # A parent has a child at least, so that no query has more parents than `width`.
        width = max(
            int(self._children(nodes[rows], scores[rows], depth).lengths.sum(axis=1).max())
            for rows in _slices(len(nodes), CHILDREN_AT_ONCE // nodes.shape[1])
        )
        kept = min(count, width)
        nearest, values = torch.empty(len(nodes), kept, dtype=torch.int64), torch.empty(len(nodes), kept)
        for rows in _slices(len(nodes), CHILDREN_AT_ONCE // width):
            children = self._children(nodes[rows], scores[rows], depth)
            # All tables are equally wide, because which of equal scores topk takes depends on the width.
            table = self._child_scores(products[:, rows], children, depth, width)
            values[rows], place = table.topk(kept, dim=1, largest=False)
            nearest[rows] = children.at(place)
        return nearest, values

    def _children(self, nodes: Tensor, scores: Tensor, depth: int) -> "Children":
        """Return the nodes of `depth` below nodes [n, m] of the depth before (−1: none) that have these scores."""
        parents, first_child = nodes.numpy(), self.first_child[depth - 2]
        starts = first_child[parents]
        lengths = np.where(parents >= 0, first_child[parents + 1] - starts, 0)
        return Children(starts, lengths, scores - self.norms[depth - 2][nodes])

    def _child_scores(self, products: Tensor, children: "Children", depth: int, width: int) -> Tensor:
        """Return float32 [n, width]: the scores of the children of each query, infinity where there are no more."""
        table = torch.full((len(children.starts), width), float("inf"))
        query, place = np.nonzero(children.lengths)
        lengths, nodes = children.lengths[query, place], children.starts[query, place]
        columns = (np.cumsum(children.lengths, axis=1) - children.lengths)[query, place]
        carried = children.carried[torch.from_numpy(query), torch.from_numpy(place)]
        for parents in split_by_budget(lengths, CHILDREN_AT_ONCE):
            length = lengths[parents]
            node = torch.from_numpy(concatenated_ranges(nodes[parents], nodes[parents] + length))
            column = torch.from_numpy(concatenated_ranges(columns[parents], columns[parents] + length))
            owner = torch.from_numpy(np.repeat(query[parents], length))
            last = self.codes[depth - 1][node, -1] + (depth - 1) * self.codebooks.shape[1]
            scores = carried[parents].repeat_interleave(torch.from_numpy(length))
            scores += self.norms[depth - 1][node] + products[last, owner]
            table[owner, column] = scores
        return table


@dataclass(frozen=True, eq=False)
class Children:
    """What is below the nodes that each of n queries keeps: m runs of consecutive nodes of the next depth.

    starts, lengths: int64 [n, m], the first child of every node, and how many it has; carried: float32 [n, m], what
    the score of a node adds to the scores of its children.
    """

    starts: np.ndarray
    lengths: np.ndarray
    carried: Tensor

    def at(self, place: Tensor) -> Tensor:
        """Return the children at `place` int64 [n, k], counted over all runs of a query; −1 beyond the last of them."""
        ends, lengths = torch.from_numpy(np.cumsum(self.lengths, axis=1)), torch.from_numpy(self.lengths)
        run = torch.searchsorted(ends, place, right=True).clamp_(max=ends.shape[1] - 1)
        child = torch.from_numpy(self.starts).gather(1, run) + place - (ends - lengths).gather(1, run)
        return child.where(place < ends[:, -1:], torch.tensor(-1))


@dataclass(frozen=True, eq=False)
class CodeSpace:
    """Measures how far a query is from codes.

    tree: the codes that occur; latent: a function from vectors float32 [n, dim] to [n, d'] in the space of the
    codebooks.
    """

    tree: CodeTree
    latent: Callable[[Tensor], Tensor]


def _slices(n: int, step: int) -> Iterator[slice]:
    """Yield slices of `n` rows, `step` at a time, or one at a time where `step` is 0."""
    for start in range(0, n, max(1, step)):
        yield slice(start, min(start + max(1, step), n))


def _squared_sums(codebooks: Tensor, codes: Tensor) -> Tensor:
    """Return ‖Σ c‖² [n] of the codewords that codes [n, d] name in the first d codebooks."""
    flat = codebooks.flatten(0, 1)
    offsets = torch.arange(codes.shape[1]) * codebooks.shape[1]
    parts = [
        torch.nn.functional.embedding_bag(part + offsets, flat, mode="sum").square_().sum(dim=1)
        for part in codes.split(1 << 14)
    ]
    return torch.cat(parts)
