"""Beam search over the codes that exist, which says of whom its first items are certainly those of the whole tree."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from semid.generative.heads import CodeHeads
from semid.generative.trie import CodeTrie, Depth
from semid.retrieval.seen import Seen

# Sums of a few logarithms of probabilities in float32 are not told apart below this.
ROUNDING = 1e-4
CERTAIN_ITEMS = 10
# Heads of sub-spaces score all codes that exist, of which so many are kept at least.
PARALLEL_BEAM = 1000
# A search with wider beams keeps so many prefixes of all its users at a level.
PREFIXES_AT_ONCE = 1 << 15
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
    """Keep the `beam` best prefixes of states [n, dim] at every level; nothing that is seen whole takes a place.

    Heads of sub-spaces, which read no prefix, score every code that exists, so that nothing is left out on the way.
    """
    if heads.parallel:
        return _search_all(heads, users, trie, beam, seen)
    scores, nodes = users.new_zeros(len(users), 1), torch.zeros(len(users), 1, dtype=torch.int64, device=users.device)
    pruned = users.new_full((len(users),), NONE)
    for length, depth in enumerate(trie.depths, start=1):
        owner, column = (nodes >= 0).nonzero(as_tuple=True)
        parents = nodes[owner, column]
        places, of_pairs = child_log_probabilities(heads, users, trie, length, owner, parents)
        children = places.new_full((*nodes.shape, places.shape[1]), -1)
        child_scores = scores.new_full(children.shape, NONE)
        children[owner, column] = places
        child_scores[owner, column] = scores[owner, column, None] + of_pairs
        _leave_out(depth, seen, nodes, children, child_scores)
        scores, nodes, best_pruned = _best(children, child_scores, beam)
        pruned = torch.maximum(pruned, best_pruned)
    unseen = trie.depths[-1].unseen(seen, nodes)
    return Found(nodes, scores, unseen, _is_certain(scores, unseen, pruned))


def child_log_probabilities(
    heads: CodeHeads, users: Tensor, trie: CodeTrie, length: int, owner: Tensor, parents: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the children int64 [m, c] (−1: none) of nodes of `length` − 1, and log p of each, float32 [m, c].

    users: float32 [n, dim]; owner: int64 [m], the user of each node; parents: int64 [m]. Probabilities are shared among
    the codes that exist behind the prefix.
    """
    depth = trie.depths[length - 1]
    first = depth.first_child[parents]
    counts = depth.first_child[parents + 1] - first
    place = torch.arange(int(counts.max()) if len(counts) else 0, device=parents.device)
    is_child = place < counts[:, None]
    children = (first[:, None] + place).masked_fill(~is_child, 0)
    codes = depth.codes[children, -1].masked_fill(~is_child, -1)
    prefix = trie.depths[length - 2].codes[parents] if length > 1 else parents[:, None][:, :0]
    logs = users.new_zeros(codes.shape).masked_fill_(~is_child, NONE)
    # a code that alone exists is certain
    several = (counts > 1).nonzero()[:, 0]
    if len(several):
        logs[several] = heads.logits_of(users, prefix[several], owner[several], codes[several]).log_softmax(dim=-1)
    return children.masked_fill_(~is_child, -1), logs


@torch.inference_mode()
def log_probabilities(heads: CodeHeads, users: Tensor, trie: CodeTrie, owner: Tensor, items: Tensor) -> Tensor:
    """Return Σ_l log p(c_l) float32 [m] of items int64 [m] for users int64 [m], whose states are float32 [n, dim]."""
    total = users.new_zeros(len(owner))
    if heads.parallel:
        codes = trie.depths[-1].codes[torch.from_numpy(trie.depths[-1].node_of_item)[items]]
        for level, logs in enumerate(_parallel_logs(heads, users)):
            total += logs[owner, codes[:, level]]
        return total
    parents = torch.zeros_like(items)
    for length, depth in enumerate(trie.depths, start=1):
        nodes = torch.from_numpy(depth.node_of_item).to(items.device)[items]
        width = len(depth.first_child) - 1
        keys, places = torch.unique(owner * width + parents, return_inverse=True)
        _, logs = child_log_probabilities(heads, users, trie, length, keys // width, keys % width)
        total += logs[places, nodes - depth.first_child[parents]]
        parents = nodes
    return total


def _parallel_logs(heads: CodeHeads, users: Tensor) -> list[Tensor]:
    """Return log p float32 [n, K] of the codes of each sub-space."""
    levels = range(len(heads.sizes))
    prefixes = (torch.zeros(len(users), level, dtype=torch.int64, device=users.device) for level in levels)
    return [heads.logits(users, prefix).log_softmax(dim=-1) for prefix in prefixes]


def _search_all(heads: CodeHeads, users: Tensor, trie: CodeTrie, beam: int, seen: Seen) -> Found:
    """Score every code that exists by gathers, and keep the best `beam`, or PARALLEL_BEAM where that is more."""
    buckets = trie.depths[-1]
    scores = users.new_zeros(len(users), len(buckets.codes))
    for level, logs in enumerate(_parallel_logs(heads, users)):
        scores += logs[:, buckets.codes[:, level]]
    owner, nodes = buckets.exhausted(seen)
    scores[owner, nodes] = NONE
    values, nodes, pruned = _best(torch.arange(scores.shape[1]).expand_as(scores), scores, max(beam, PARALLEL_BEAM))
    nodes = nodes.masked_fill(values == NONE, -1)
    unseen = buckets.unseen(seen, nodes)
    return Found(nodes, values, unseen, _is_certain(values, unseen, pruned))


def search_exactly(heads: CodeHeads, users: Tensor, trie: CodeTrie, beam: int, seen: Seen) -> Found:
    """Search, and again with twice the beam for users of whom the first items are not certain, until they are.

    The wider the beam, the fewer of these users are searched for at once.
    """
    found = search(heads, users, trie, beam, seen)
    while not bool(found.certain.all()) and beam < trie.num_buckets:
        beam *= 2
        uncertain = (~found.certain).nonzero()[:, 0]
        parts = []
        for rows in uncertain.split(max(1, PREFIXES_AT_ONCE // beam)):
            again = torch.zeros_like(found.certain).index_fill(0, rows, True)
            parts.append((rows, search(heads, users[rows], trie, beam, seen.of_queries(again.numpy()))))
        found = _replaced(found, parts)
    return found


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


def _replaced(found: Found, parts: list[tuple[Tensor, Found]]) -> Found:
    """Return what was found, with what was found better for some users, as wide as the widest of all.

    parts: rows int64 of users, and what was found for them.
    """
    width = max(found.buckets.shape[1], *(better.buckets.shape[1] for _, better in parts))
    columns = []
    for name, padding in (("buckets", -1), ("scores", NONE), ("unseen", 0)):
        column = getattr(found, name)
        wide = column.new_full((len(column), width), padding)
        wide[:, : column.shape[1]] = column
        for rows, better in parts:
            part = getattr(better, name)
            wide[rows] = nn.functional.pad(part, (0, width - part.shape[1]), value=padding)
        columns.append(wide)
    certain = found.certain.clone()
    for rows, better in parts:
        certain[rows] = better.certain
    return Found(columns[0], columns[1], columns[2], certain)
