"""Three rankings of items by one generator: by the codes that it writes, by vectors, and by both."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from semid.evaluation.ranked_lists import first_ranked
from semid.generative.model import Generator
from semid.generative.search import NONE, Found, log_probabilities, search, search_exactly
from semid.generative.trie import CodeTrie
from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.ragged import concatenated_ranges
from semid.retrieval.seen import Seen

RANKINGS = ("generate", "dense", "hybrid")
# What `hybrid` adds to the items of the search: so many of the first of `dense`.
DENSE_CANDIDATES = 100
# Weights of log p_dense beside Σ log p of the codes; the last is `dense` alone, among the candidates of `hybrid`.
BETAS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 2.0, float("inf"))
# So many scores of users and items, floats, are held at once.
SCORES_AT_ONCE = 1 << 24
FEWEST_USERS = 16


@dataclass(frozen=True, eq=False)
class Ranked:
    """Where the targets of n users stand, as :class:`semid.evaluation.target_ranks.Ranks` has it.

    greater, equal, size: int64 [n]; found: bool [n]; lists: int32 [n, depth].
    """

    greater: np.ndarray
    equal: np.ndarray
    found: np.ndarray
    size: np.ndarray
    lists: np.ndarray


def dense_scores(vectors: Tensor, users: Tensor, seen: Seen) -> Tensor:
    """Return the scores [n, items] of all items for states [n, dim], −inf for those that are seen.

    vectors: float32 [items, dim], as :meth:`semid.generative.items.ItemVectors.compared` has them.
    """
    # products of a few rows are summed in another order at the end of the columns, which would break exact ties
    padded = nn.functional.pad(users, (0, 0, 0, max(0, FEWEST_USERS - len(users))))
    scores = (padded @ vectors.t())[: len(users)]
    scores[torch.from_numpy(seen.owner), torch.from_numpy(seen.item)] = NONE
    return scores


def rank_dense(scores: Tensor, target: Tensor, depth: int) -> Ranked:
    """Rank the targets int64 [n] among all items by scores [n, items], −inf for items that are left out."""
    of_target = scores.gather(1, target[:, None])
    return Ranked(
        greater=(scores > of_target).sum(dim=1).numpy(),
        equal=(scores == of_target).sum(dim=1).numpy(),
        found=(of_target[:, 0] > NONE).numpy(),
        size=(scores > NONE).sum(dim=1).numpy(),
        lists=_first_items(scores, depth),
    )


def _first_items(scores: Tensor, depth: int) -> np.ndarray:
    """Return int32 [n, depth]: the first items by scores [n, items], equal ones by item, −1 behind the last."""
    # topk keeps any of those that are tied for the last places
    last = scores.topk(min(depth, scores.shape[1]), dim=1).values.amin(dim=1, keepdim=True) if depth else scores[:, :1]
    owner, items = ((scores >= last) & (scores > NONE)).nonzero(as_tuple=True)
    values = scores[owner, items].numpy()
    return first_ranked(owner.numpy(), items.numpy(), values, len(scores), depth)


def rank_generated(found: Found, index: InvertedIndex, target: Tensor, seen: Seen, depth: int) -> Ranked:
    """Rank the targets among the unseen items of the buckets that were found; items of a bucket are tied."""
    is_target = found.buckets == torch.from_numpy(index.bucket_of_item[target.numpy()].astype(np.int64))[:, None]
    is_found = is_target.any(dim=1)
    of_target = found.scores.masked_fill(~is_target, NONE).amax(dim=1, keepdim=True)
    owner, items, scores = items_of_buckets(found, index, seen)
    return Ranked(
        greater=(found.unseen * (found.scores > of_target)).sum(dim=1).numpy(),
        equal=(found.unseen * (found.scores == of_target)).sum(dim=1).clamp(min=1).numpy(),
        found=is_found.numpy(),
        size=found.unseen.sum(dim=1).numpy(),
        lists=first_ranked(owner, items, scores, len(target), depth),
    )


def rank_codes(found: Found, index: InvertedIndex, target: Tensor) -> Ranked:
    """Rank the codes of the targets among those that were found, whichever of their items is meant."""
    is_target = found.buckets == torch.from_numpy(index.bucket_of_item[target.numpy()].astype(np.int64))[:, None]
    of_target = found.scores.masked_fill(~is_target, NONE).amax(dim=1, keepdim=True)
    is_code = found.buckets >= 0
    return Ranked(
        greater=(is_code & (found.scores > of_target)).sum(dim=1).numpy(),
        equal=(is_code & (found.scores == of_target)).sum(dim=1).clamp(min=1).numpy(),
        found=is_target.any(dim=1).numpy(),
        size=is_code.sum(dim=1).numpy(),
        lists=np.empty((len(target), 0), np.int32),
    )


def items_of_buckets(found: Found, index: InvertedIndex, seen: Seen) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return user, item and score [pairs] of the unseen items of the buckets that were found."""
    user, column = (found.buckets >= 0).nonzero(as_tuple=True)
    buckets = found.buckets[user, column].numpy()
    start, stop = index.offsets[buckets], index.offsets[buckets + 1]
    owner = np.repeat(user.numpy(), stop - start)
    items = index.items[concatenated_ranges(start, stop)].astype(np.int64)
    scores = np.repeat(found.scores[user, column].numpy(), stop - start)
    unseen = seen.lacks(owner, items)
    return owner[unseen], items[unseen], scores[unseen]


@dataclass(frozen=True, eq=False)
class Candidates:
    """The candidates of `hybrid`, a row each, sorted by user, then item.

    owner, item: int64 [pairs]; codes, dense: float32 [pairs], Σ log p of its codes, and the logarithm of its share in
    the softmax of `dense` over all unseen items.
    """

    owner: np.ndarray
    item: np.ndarray
    codes: np.ndarray
    dense: np.ndarray

    def scores(self, beta: float) -> np.ndarray:
        """Return codes + beta · dense, float32 [pairs]; dense alone where beta is infinite."""
        return self.dense if beta == float("inf") else self.codes + np.float32(beta) * self.dense


@torch.inference_mode()
def hybrid_candidates(
    model: Generator, users: Tensor, scores: Tensor, found: Found, trie: CodeTrie, index: InvertedIndex, seen: Seen
) -> Candidates:
    """Return the items that the search found and the first 100 of `dense`, with exact scores of both kinds."""
    assert model.heads is not None
    owner, items, _ = items_of_buckets(found, index, seen)
    best = _first_items(scores, DENSE_CANDIDATES)
    user, column = np.nonzero(best >= 0)
    keys = np.concatenate([owner, user]) * seen.num_items
    keys = np.unique(keys + np.concatenate([items, best[user, column]]))
    owner, items = keys // seen.num_items, keys % seen.num_items
    log_dense = (scores - scores.logsumexp(dim=1, keepdim=True))[torch.from_numpy(owner), torch.from_numpy(items)]
    pairs = torch.from_numpy(owner).to(users.device), torch.from_numpy(items).to(users.device)
    log_codes = log_probabilities(model.heads, users, trie, *pairs).cpu()
    return Candidates(owner, items, log_codes.numpy(), log_dense.numpy())


def rank_candidates(candidates: Candidates, beta: float, target: Tensor, depth: int) -> Ranked:
    """Rank the targets among the candidates of `hybrid`."""
    scores, n = candidates.scores(beta), len(target)
    is_target = candidates.item == target.numpy()[candidates.owner]
    of_target = np.full(n, np.inf, np.float32)
    of_target[candidates.owner[is_target]] = scores[is_target]
    above, level = scores > of_target[candidates.owner], scores == of_target[candidates.owner]
    return Ranked(
        greater=np.bincount(candidates.owner[above], minlength=n),
        equal=np.maximum(1, np.bincount(candidates.owner[level], minlength=n)),
        found=np.bincount(candidates.owner[is_target], minlength=n) > 0,
        size=np.bincount(candidates.owner, minlength=n),
        lists=first_ranked(candidates.owner, candidates.item, scores, n, depth),
    )


def find(model: Generator, users: Tensor, trie: CodeTrie, seen: Seen) -> Found:
    """Search with the beam that the settings ask for."""
    assert model.heads is not None
    search_with = search_exactly if model.settings.beam_limit == "exact" else search
    return search_with(model.heads, users, trie, model.settings.beam, seen)
