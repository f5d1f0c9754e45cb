"""Beam search over the codes that exist, which says of whom its first items are certainly those of the whole tree."""

from dataclasses import dataclass

import torch
from torch import Tensor

from semid.generative.heads import CodeHeads
from semid.generative.trie import CodeTrie, Depth
from semid.retrieval.seen import Seen

# Sums of a few logarithms of probabilities in float32 are not told apart below this.
ROUNDING = 1e-4
CERTAIN_ITEMS = 10
NONE = float("-inf")


@dataclass(frozen=True, eq=False)
class Found:
    """The buckets that a search found for n users.

    buckets: int64 [n, m], the best first, −1 behind the last; scores: float32 [n, m], Σ log p of their codes; unseen:
    int64 [n, m], how many of their items a user has not seen; certain: bool [n], whether the first ten unseen items are
    certainly those of the whole tree.
    """

    buckets: Tensor
    scores: Tensor
    unseen: Tensor
    certain: Tensor


@torch.inference_mode()
def search(heads: CodeHeads, users: Tensor, trie: CodeTrie, beam: int, seen: Seen) -> Found:
    """Keep the `beam` best prefixes of states [n, dim] at every level; nothing that is seen whole takes a place."""
    scores, nodes = users.new_zeros(len(users), 1), torch.zeros(len(users), 1, dtype=torch.int64, device=users.device)
    pruned = users.new_full((len(users),), NONE)
    for length, depth in enumerate(trie.depths, start=1):
        prefix = trie.depths[length - 2].codes[nodes.clamp(min=0)] if length > 1 else nodes[..., None][..., :0]
        logits = heads.logits(users, prefix).log_softmax(dim=-1).expand(-1, nodes.shape[1], -1)
        children, child_scores = _children(depth, nodes, scores, logits)
        _leave_out(depth, seen, nodes, children, child_scores)
        scores, nodes, best_pruned = _best(children, child_scores, beam)
        pruned = torch.maximum(pruned, best_pruned)
    unseen = trie.depths[-1].unseen(seen, nodes)
    return Found(nodes, scores, unseen, _is_certain(scores, unseen, pruned))


def search_exactly(heads: CodeHeads, users: Tensor, trie: CodeTrie, beam: int, seen: Seen) -> Found:
    """Search, and again with twice the beam for users of whom the first items are not certain, until they are."""
    found = search(heads, users, trie, beam, seen)
    while not bool(found.certain.all()) and beam < trie.num_buckets:
        beam *= 2
        again = ~found.certain
        better = search(heads, users[again], trie, beam, seen.of_queries(again.numpy()))
        found = _replaced(found, again, better)
    return found


def _children(depth: Depth, nodes: Tensor, scores: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the children int64 [n, m, c] (−1: none) of nodes [n, m], and their scores, of logits [n, m, K]."""
    first = depth.first_child[nodes.clamp(min=0)]
    counts = (depth.first_child[nodes.clamp(min=0) + 1] - first).masked_fill(nodes < 0, 0)
    place = torch.arange(int(counts.max()), device=nodes.device)
    is_child = place < counts[..., None]
    children = (first[..., None] + place).masked_fill(~is_child, 0)
    child_scores = scores[..., None] + logits.gather(2, depth.codes[children, -1])
    return children.masked_fill(~is_child, -1), child_scores.masked_fill(~is_child, NONE)


def _leave_out(depth: Depth, seen: Seen, nodes: Tensor, children: Tensor, scores: Tensor) -> None:
    """Give no score to children of which a user has seen all items."""
    users, exhausted = depth.exhausted(seen)
    parents = depth.parents[exhausted]
    pair, column = (nodes[users] == parents[:, None]).nonzero(as_tuple=True)
    place = exhausted[pair] - depth.first_child[parents[pair]]
    scores[users[pair], column, place] = NONE
    children[users[pair], column, place] = -1


def _best(children: Tensor, scores: Tensor, beam: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return scores and nodes of the best children, and the score [n] of the best that is left out."""
    flat = scores.flatten(1)
    values, places = flat.topk(min(beam + 1, flat.shape[1]), dim=1)
    pruned = values[:, beam] if values.shape[1] > beam else values.new_full((len(values),), NONE)
    return values[:, :beam], children.flatten(1).gather(1, places[:, :beam]), pruned


def _is_certain(scores: Tensor, unseen: Tensor, pruned: Tensor) -> Tensor:
    """Return bool [n]: whether nothing that was left out can have come among the first items.

    Logarithms of probabilities only fall, so that no code scores more than any of its prefixes.
    """
    is_last = unseen.cumsum(dim=1) >= CERTAIN_ITEMS
    has_enough = is_last.any(dim=1)
    last = scores.gather(1, is_last.int().argmax(dim=1, keepdim=True))[:, 0]
    return (pruned == NONE) | (has_enough & (pruned < last - ROUNDING))


def _replaced(found: Found, rows: Tensor, better: Found) -> Found:
    """Return what was found, with what was found better for some users, as wide as the wider of the two."""
    width = max(found.buckets.shape[1], better.buckets.shape[1])
    columns = []
    for name, padding in (("buckets", -1), ("scores", NONE), ("unseen", 0)):
        column = getattr(found, name)
        wide = column.new_full((len(column), width), padding)
        wide[:, : column.shape[1]] = column
        part = getattr(better, name)
        wide[rows] = part.new_full((len(part), width), padding)
        wide[rows, : part.shape[1]] = part
        columns.append(wide)
    certain = found.certain.clone()
    certain[rows] = better.certain
    return Found(columns[0], columns[1], columns[2], certain)
