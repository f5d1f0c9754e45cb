"""The beam search over existing codes equals scoring the whole tree, and says of whom it is certain."""

import numpy as np
import pytest
import torch

from semid import loops
from semid.generative import heads as heads_module
from semid.generative import search as search_module
from semid.generative.heads import CodeHeads, CodeSpaceStart
from semid.generative.ranking import rank_dense, rank_generated
from semid.generative.search import NONE, log_probabilities, search, search_exactly
from semid.generative.settings import GeneratorSettings
from semid.generative.trie import CodeTrie
from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.ragged import Ragged, offsets_of
from semid.retrieval.seen import Seen

SIZES = (5, 4, 6)
SETTINGS = GeneratorSettings(dim=8, head_width=16, attention_heads=2, code_heads="random")
ITEMS, USERS = 120, 9


def heads_of(seed: int, sizes: tuple[int, ...] = SIZES, parallel: bool = False) -> CodeHeads:
    torch.manual_seed(seed)
    heads = CodeHeads(sizes, SETTINGS, parallel=parallel)
    with torch.no_grad():
        for parameter in heads.parameters():
            parameter.mul_(4)
    return heads.eval()


def world(seed: int, sizes: tuple[int, ...] = SIZES) -> tuple[InvertedIndex, torch.Tensor, Seen]:
    random = np.random.default_rng(seed)
    codes = np.stack([random.integers(0, size, ITEMS) for size in sizes], axis=1).astype(np.uint16)
    history = [random.integers(0, ITEMS, random.integers(0, 30)) for _ in range(USERS)]
    lengths = np.array([len(items) for items in history])
    seen = Seen.of(Ragged(np.concatenate(history), offsets_of(lengths)), ITEMS)
    users = torch.randn(USERS, SETTINGS.dim, generator=torch.Generator().manual_seed(seed))
    return InvertedIndex.build(codes), users, seen


def scores_of(heads: CodeHeads, users: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """Return Σ log p [users, buckets] of codes [buckets, L], each level among those behind its prefix."""
    scores = torch.zeros(len(users), len(codes))
    for user in range(len(users)):
        for bucket, code in enumerate(codes):
            for level in range(codes.shape[1]):
                logits = heads.logits(users[user, None], code[None, :level])[0]
                alike = codes[(codes[:, :level] == code[:level]).all(dim=1), level].unique()
                shares = logits if heads.parallel else logits[alike]
                scores[user, bucket] += logits[code[level]] - shares.logsumexp(dim=0)
    return scores


def whole_tree(
    heads: CodeHeads, users: torch.Tensor, index: InvertedIndex, seen: Seen
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return for every user and bucket Σ log p of its codes, −inf where all of its items are seen, and the unseen."""
    with torch.inference_mode():
        scores = scores_of(heads, users, torch.from_numpy(index.codes.astype(np.int64)))
    unseen = torch.from_numpy(index.bucket_sizes).repeat(len(users), 1)
    for user, item in zip(seen.owner, seen.item, strict=True):
        unseen[user, index.bucket_of_item[item]] -= 1
    return scores.masked_fill(unseen == 0, NONE), unseen


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("parallel", [False, True])
def test_a_beam_as_wide_as_the_tree_gives_its_scores_in_order(seed: int, parallel: bool) -> None:
    index, users, seen = world(seed)
    heads = heads_of(seed, parallel=parallel)
    found = search(heads, users, CodeTrie.build(index), index.num_buckets, seen)
    scores, unseen = whole_tree(heads, users, index, seen)
    for user in range(USERS):
        kept = found.buckets[user] >= 0
        buckets = found.buckets[user, kept]
        expected = (scores[user] > NONE).nonzero()[:, 0]
        assert sorted(buckets.tolist()) == expected.tolist()
        torch.testing.assert_close(found.scores[user, kept], scores[user, buckets], atol=1e-5, rtol=0)
        assert (found.scores[user, kept].diff() <= 0).all()
        assert torch.equal(found.unseen[user, kept], unseen[user, buckets])
    assert found.certain.all()


@pytest.mark.parametrize("parallel", [False, True])
def test_items_are_scored_as_the_search_scores_their_codes(parallel: bool) -> None:
    index, users, seen = world(1)
    heads, trie = heads_of(1, parallel=parallel), CodeTrie.build(index)
    scores, _ = whole_tree(heads, users, index, Seen.of(Ragged(seen.item[:0], np.zeros(USERS + 1, np.int64)), ITEMS))
    owner = torch.arange(USERS).repeat_interleave(ITEMS)
    items = torch.arange(ITEMS).repeat(USERS)
    found = log_probabilities(heads, users, trie, owner, items)
    expected = scores[:, torch.from_numpy(index.bucket_of_item.astype(np.int64))].flatten()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def searching_heads(seed: int) -> CodeHeads:
    torch.manual_seed(seed)
    return CodeHeads(SIZES, SETTINGS, CodeSpaceStart(torch.randn(sum(SIZES), SETTINGS.dim))).eval()


@pytest.mark.parametrize("has_numba", [True, False])
@pytest.mark.parametrize("heads", [heads_of(2), searching_heads(2)])
def test_logits_of_single_codes_are_those_among_all(
    heads: CodeHeads, has_numba: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_numba:
        monkeypatch.setattr(loops, "has_numba", lambda: False)
        monkeypatch.setattr(heads_module, "FEW_CODES", 4)
    users = torch.randn(3, SETTINGS.dim)
    prefix, owner = torch.tensor([[1, 2], [0, 0], [4, 3]]), torch.tensor([2, 0, 2])
    codes = torch.tensor([[5, -1], [-1, -1], [-1, -1]])
    logits = heads.logits(users, prefix, owner)
    assert torch.equal(heads.logits(users[owner], prefix), logits)
    few = heads.logits_of(users, prefix, owner, codes)
    torch.testing.assert_close(few[0, 0], logits[0, 5])
    assert (few.flatten()[1:] == NONE).all()
    many = heads.logits_of(users, prefix, owner, torch.arange(6).repeat(3, 1))
    assert torch.equal(many, logits)


@pytest.mark.parametrize("seed", range(5))
def test_certain_lists_are_those_of_the_whole_tree(seed: int) -> None:
    index, users, seen = world(seed)
    heads, trie = heads_of(seed), CodeTrie.build(index)
    whole = search(heads, users, trie, index.num_buckets, seen)
    narrow = search(heads, users, trie, 8, seen)
    assert 0 < narrow.certain.sum() < USERS or seed
    for user in narrow.certain.nonzero()[:, 0].tolist():
        last = int((narrow.unseen[user].cumsum(0) >= 10).int().argmax())
        assert torch.equal(narrow.buckets[user, : last + 1], whole.buckets[user, : last + 1])
    exact = search_exactly(heads, users, trie, 4, seen)
    assert exact.certain.all()
    for user in range(USERS):
        last = int((whole.unseen[user].cumsum(0) >= 10).int().argmax())
        assert torch.equal(exact.buckets[user, : last + 1], whole.buckets[user, : last + 1])


@pytest.mark.parametrize("at_once", [1, 20])
def test_an_exact_search_finds_the_same_however_many_are_searched_for_at_once(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, users, seen = world(2)
    heads, trie = heads_of(2), CodeTrie.build(index)
    together = search_exactly(heads, users, trie, 2, seen)
    monkeypatch.setattr(search_module, "PREFIXES_AT_ONCE", at_once)
    apart = search_exactly(heads, users, trie, 2, seen)
    assert apart.certain.all()
    for user in range(USERS):
        last = int((together.unseen[user].cumsum(0) >= 10).int().argmax())
        assert torch.equal(together.buckets[user, : last + 1], apart.buckets[user, : last + 1])


def test_nothing_that_is_seen_whole_takes_a_place_in_the_beam() -> None:
    index = InvertedIndex.build(np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.uint16))
    heads, users = heads_of(0, (2, 2)), torch.zeros(1, SETTINGS.dim)
    seen = Seen.of(Ragged(np.array([0, 1]), np.array([0, 2])), 4)
    found = search(heads, users, CodeTrie.build(index), 2, seen)
    assert sorted(found.buckets[0].tolist()) == [2, 3]
    assert found.certain.all()


def test_a_target_in_a_shared_bucket_ties_with_its_unseen_items() -> None:
    # items 0 and 1 and 2 share a bucket, 3 has one of its own
    index = InvertedIndex.build(np.array([[0, 0], [0, 0], [0, 0], [1, 0]], np.uint16))
    heads, users = heads_of(1, (2, 1)), torch.zeros(3, SETTINGS.dim)
    seen = Seen.of(Ragged(np.array([2]), np.array([0, 1, 1, 1])), 4)
    found = search(heads, users, CodeTrie.build(index), 5, seen)
    ranked = rank_generated(found, index, torch.tensor([0, 0, 3]), seen, 3)
    with torch.inference_mode():
        first_is_shared = bool(scores_of(heads, users[:1], torch.tensor([[0, 0], [1, 0]]))[0].argmax() == 0)
    above = 0 if first_is_shared else 1
    assert ranked.greater.tolist() == [above, above, 3 if first_is_shared else 0]
    assert ranked.equal.tolist() == [2, 3, 1]
    assert ranked.size.tolist() == [3, 4, 4]
    assert ranked.found.all()
    shared = [[0, 1], [0, 1, 2]]
    assert ranked.lists[0].tolist() == ([*shared[0], 3] if first_is_shared else [3, *shared[0]])
    assert ranked.lists[1].tolist() == ([*shared[1]] if first_is_shared else [3, 0, 1])


def test_items_of_one_score_are_listed_in_their_order() -> None:
    scores = torch.zeros(2, 5000)
    scores[0, 4000], scores[1, :4990] = 1, NONE
    ranked = rank_dense(scores, torch.tensor([3, 4995]), 12)
    assert ranked.lists.tolist() == [[4000, *range(11)], [*range(4990, 5000), -1, -1]]
    assert (ranked.greater.tolist(), ranked.equal.tolist()) == ([1, 0], [4999, 10])


def test_heads_that_search_begin_with_the_order_of_decoded_vectors() -> None:
    index, users, _ = world(3)
    codewords = torch.randn(sum(SIZES), SETTINGS.dim, generator=torch.Generator().manual_seed(7))
    heads = CodeHeads(SIZES, SETTINGS, CodeSpaceStart(codewords)).eval()
    codes = torch.from_numpy(index.codes.astype(np.int64))
    total = torch.zeros(USERS, len(codes))
    with torch.inference_mode():
        for level in range(len(SIZES)):
            owner, place = torch.arange(USERS).repeat_interleave(len(codes)), torch.arange(len(codes)).repeat(USERS)
            logits = heads.logits(users, codes[place, :level], owner)
            total += logits.gather(1, codes[place, level, None]).view(USERS, -1)
        query = torch.nn.functional.normalize(users, dim=1)
        decoded = codewords[heads.entries(codes)].sum(dim=1)
        expected = (query @ decoded.t() - decoded.square().sum(dim=1) / 2) / 0.07
    torch.testing.assert_close(total, expected, rtol=1e-4, atol=1e-3)
