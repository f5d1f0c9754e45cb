"""Figures of neighbours, categories and users' steps against plain loops over every pair."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from semid.embeddings import first_of_identical
from semid.errors import InputError
from semid.evaluation import Interactions
from semid.quantizers import RQKMeans
from semid.scorecard import structure
from semid.scorecard.structure import (
    DescribedItems,
    Distinct,
    NeighbourFigures,
    category_agreement,
    distinct_codes,
    distinct_embeddings,
    draw_neighbour_pairs,
    hit_rate,
    nearest_others,
    neighbour_figures,
    shared_depth,
    shared_prefixes,
    structure_figures,
)


def cosine(left: np.ndarray, right: np.ndarray) -> float:
    return float(left @ right / (np.linalg.norm(left) * np.linalg.norm(right)))


def depth_of(left: list[int], right: list[int]) -> int:
    depth = 0
    while depth < len(left) and left[depth] == right[depth]:
        depth += 1
    return depth


def fitted(vectors: np.ndarray, codebook_size: int = 4) -> RQKMeans:
    return RQKMeans(num_levels=2, codebook_size=codebook_size, max_train=0).fit(vectors)


def interactions_of(histories: list[list[int]], held_out: list[int]) -> Interactions:
    """A user a history in the training split; `held_out` is a later interaction of each."""
    user = np.concatenate(
        [np.repeat(np.arange(len(histories)), [len(items) for items in histories]), range(len(held_out))]
    )
    item = np.concatenate([*map(np.array, histories), held_out]).astype(np.int64)
    split = np.repeat(np.array([0, 2], np.int8), [len(item) - len(held_out), len(held_out)])
    return Interactions(user, item, np.arange(len(item)), split)


@pytest.fixture
def vectors() -> np.ndarray:
    """Forty items of thirty-one embeddings, none of unit length."""
    drawn = np.random.default_rng(3).normal(size=(31, 6)).astype(np.float32)
    return np.concatenate([drawn, drawn[:9]])[np.random.default_rng(4).permutation(40)]


def test_depth_is_that_of_the_shared_prefix() -> None:
    left = np.array([[1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 2, 3]], np.uint16)
    right = np.array([[1, 2, 3], [1, 2, 0], [1, 0, 3], [0, 2, 3]], np.uint16)
    assert shared_depth(left, right).tolist() == [3, 2, 1, 0]


def test_steps_are_those_of_one_user_in_training_to_another_item() -> None:
    interactions = interactions_of([[3, 1, 1, 2], [2], [0, -1, 3]], held_out=[0, 0, 0])
    assert interactions.training_steps().tolist() == [[3, 1], [1, 2], [0, 3]]


@pytest.mark.parametrize("at_once", [1, 3, 1 << 20])
def test_shared_prefixes_equal_a_loop(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "PAIRS_AT_ONCE", at_once)
    random = np.random.default_rng(0)
    codes, pairs = random.integers(0, 3, (20, 3)), random.integers(0, 20, (50, 2))
    depths = [depth_of(*codes[pair].tolist()) for pair in pairs]
    assert shared_prefixes(codes, pairs).tolist() == [sum(depth >= level for depth in depths) for level in (1, 2, 3)]


@pytest.mark.parametrize("at_once", [1, 7, 500])
def test_nearest_others_equal_a_sort(vectors: np.ndarray, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "SEARCHED_AT_ONCE", at_once)
    distinct = np.unique(vectors, axis=0)
    rows = np.arange(0, 31, 2)
    found = nearest_others(distinct, rows, 5)
    for row, nearest in zip(rows.tolist(), found.tolist(), strict=True):
        others = [other for other in range(31) if other != row]
        assert nearest == sorted(others, key=lambda other: -cosine(distinct[row], distinct[other]))[:5]


def test_an_item_is_not_its_own_neighbour_among_vectors_of_one_direction() -> None:
    vectors = np.arange(1, 9, dtype=np.float32)[:, None] * np.array([[1.0, 2.0]], np.float32)
    found = nearest_others(vectors, np.arange(8), 3)
    assert found.shape == (8, 3)
    assert not (found == np.arange(8)[:, None]).any()
    assert nearest_others(vectors[:3], np.arange(3), 10).shape == (3, 2)


def test_neighbour_figures_equal_loops(vectors: np.ndarray) -> None:
    distinct = np.unique(vectors, axis=0)
    codes = fitted(distinct).encode(distinct)
    found = neighbour_figures(codes, distinct, draw_neighbour_pairs(31, np.random.default_rng(0)))
    depths: list[int] = []
    cosines: list[float] = []
    for row in range(31):
        others = [other for other in range(31) if other != row]
        for other in sorted(others, key=lambda other: -cosine(distinct[row], distinct[other]))[:10]:
            depths.append(depth_of(codes[row].tolist(), codes[other].tolist()))
            cosines.append(cosine(distinct[row], distinct[other]))
    assert found.neighbours_same_level1 == np.mean([depth >= 1 for depth in depths])
    assert found.neighbours_same_code == np.mean([depth == 2 for depth in depths])
    # the random half of the pairs, in the order in which they are drawn
    random = np.random.default_rng(0)
    sample = np.sort(random.choice(31, 31, replace=False))
    for row, offsets in zip(sample.tolist(), random.integers(1, 31, (31, 10)).tolist(), strict=True):
        for offset in offsets:
            other = (row + offset) % 31
            depths.append(depth_of(codes[row].tolist(), codes[other].tolist()))
            cosines.append(cosine(distinct[row], distinct[other]))
    assert found.cosine_prefix_spearman == pytest.approx(spearmanr(depths, cosines).statistic, abs=1e-6)


def test_codes_that_follow_the_vectors_beat_shuffled_ones() -> None:
    random = np.random.default_rng(0)
    vectors = (random.normal(size=(8, 16))[:, None] + 0.3 * random.normal(size=(8, 40, 16))).reshape(320, 16)
    codes = np.stack([np.arange(320) // 40, random.integers(0, 4, 320)], axis=1)
    found, shuffled = (
        neighbour_figures(these, vectors.astype(np.float32), draw_neighbour_pairs(320, np.random.default_rng(0)))
        for these in (codes, random.permutation(codes))
    )
    assert found.neighbours_same_level1 > 0.95
    assert shuffled.neighbours_same_level1 < 0.2
    assert found.cosine_prefix_spearman > 0.7
    assert abs(shuffled.cosine_prefix_spearman) < 0.1


def test_constants_have_no_rank_correlation() -> None:
    vectors = np.eye(5, dtype=np.float32)
    pairs = draw_neighbour_pairs(5, np.random.default_rng(0))
    assert neighbour_figures(np.zeros((5, 2), int), vectors, pairs) == NeighbourFigures(
        cosine_prefix_spearman=None,
        neighbours_same_level1=1.0,
        neighbours_same_code=1.0,
    )


def expected_hit(vectors: np.ndarray, same: np.ndarray, source: int, target: int, k: int) -> float:
    """Chance that `target` is among the k nearest of `source` when equally near items come in random order."""
    others = [item for item in range(len(vectors)) if item != source]
    similarity = {item: cosine(vectors[source], vectors[item]) for item in others}
    tied = [item for item in others if same[item] == same[target]]
    nearer = [
        item
        for item in others
        if same[item] != same[target] and (same[item] == same[source] or similarity[item] > similarity[target])
    ]
    if same[source] == same[target]:
        nearer = []
    return min(1.0, max(0.0, (k - len(nearer)) / len(tied)))


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_hit_rate_equals_a_loop(data: st.DataObject) -> None:
    n, k = data.draw(st.integers(2, 25)), data.draw(st.integers(1, 8))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    drawn = random.normal(size=(max(1, n // 2), 4)).astype(np.float32)
    vectors = drawn[random.integers(0, len(drawn), n)]
    first = first_of_identical(vectors)
    source = random.integers(0, n, 12)
    pairs = np.stack([source, (source + random.integers(1, n, 12)) % n], axis=1)
    loop = np.mean([expected_hit(vectors, first, *pair, k) for pair in pairs.tolist()])
    assert hit_rate(distinct_embeddings(vectors, first), pairs, k) == pytest.approx(loop, abs=1e-9)


@pytest.mark.parametrize("products", [1, 100, 1 << 25])
def test_hit_rate_does_not_depend_on_blocks(
    vectors: np.ndarray, products: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    distinct = distinct_embeddings(vectors, first_of_identical(vectors))
    pairs = np.stack([np.arange(39), np.arange(1, 40)], axis=1)
    whole = hit_rate(distinct, pairs, 6)
    monkeypatch.setattr(structure, "COMPARED_PRODUCTS", products)
    assert hit_rate(distinct, pairs, 6) == whole


def test_items_of_one_code_are_equally_near(vectors: np.ndarray) -> None:
    """By decoded codes, against the loop on what decoding gives."""
    tokenizer = fitted(vectors)
    codes = tokenizer.encode(vectors)
    distinct = distinct_codes(tokenizer, codes)
    assert distinct.sizes.sum() == 40
    same = np.unique(codes, axis=0, return_inverse=True)[1].ravel()
    assert distinct.group_of_item.tolist() == same.tolist()
    pairs = np.stack([np.arange(39), np.arange(1, 40)], axis=1)
    decoded = tokenizer.decode(codes)
    loop = np.mean([expected_hit(decoded, same, *pair, 7) for pair in pairs.tolist()])
    assert hit_rate(distinct, pairs, 7) == pytest.approx(loop, abs=1e-9)


def test_twenty_items_of_one_vector_share_ten_places() -> None:
    distinct = Distinct(np.eye(2, dtype=np.float32), np.repeat([0, 1], [1, 20]), np.array([1, 20]))
    assert hit_rate(distinct, np.array([[0, 5]]), 10) == 0.5


def mutual_information(left: list[int], right: list[int]) -> float:
    n, pairs, lefts, rights = len(left), Counter(zip(left, right, strict=True)), Counter(left), Counter(right)
    return sum(count / n * math.log(n * count / (lefts[a] * rights[b])) for (a, b), count in pairs.items())


def test_categories_agree_beyond_chance() -> None:
    """Adjusted mutual information with its expectation over permutations estimated by drawing them."""
    random = np.random.default_rng(0)
    names = random.integers(1, 4, 60)
    level1 = np.where(random.random(60) < 0.6, names, random.integers(0, 5, 60))
    level, found = category_agreement(level1, names[:, None], random)
    expected = np.mean([mutual_information(random.permutation(names).tolist(), level1.tolist()) for _ in range(3000)])
    entropies = [mutual_information(labels.tolist(), labels.tolist()) for labels in (names, level1)]
    observed = mutual_information(names.tolist(), level1.tolist())
    assert level == 1
    assert found == pytest.approx((observed - expected) / (np.mean(entropies) - expected), abs=0.01)


def test_the_level_of_categories_that_tells_items_apart_is_compared() -> None:
    """The first level is one category but for a stray, and items without a second level do not count."""
    level1 = np.array([0, 0, 0, 1, 1, 1, 0, 1])
    categories = np.array([[1, 1], [1, 1], [1, 1], [1, 2], [1, 2], [2, 2], [1, 0], [0, 0]])
    assert category_agreement(level1, categories, np.random.default_rng(0)) == (2, pytest.approx(1.0))
    for nothing in (np.zeros((8, 1), int), np.ones((8, 2), int)):
        assert category_agreement(level1, nothing, np.random.default_rng(0)) == (None, None)


def test_a_large_catalogue_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    names = random.integers(1, 4, 5000)
    level1 = np.where(random.random(5000) < 0.5, names, random.integers(0, 5, 5000))
    whole = category_agreement(level1, names[:, None], np.random.default_rng(0))[1]
    monkeypatch.setattr(structure, "CATEGORY_SAMPLE", 2000)
    sampled = category_agreement(level1, names[:, None], np.random.default_rng(0))[1]
    assert sampled != whole
    assert sampled == pytest.approx(whole, abs=0.04)


def test_all_figures_at_once(vectors: np.ndarray) -> None:
    tokenizer = fitted(vectors)
    codes, first = tokenizer.encode(vectors), first_of_identical(vectors)
    categories = np.arange(40).reshape(-1, 1) % 3
    histories = [[0, 1, 2, 2], [5], [7, 9, 30, 31]]
    items = DescribedItems(vectors, first, categories)
    found = structure_figures(codes, tokenizer, items, interactions_of(histories, [3, 3, 3]))
    pairs = [(0, 1), (1, 2), (7, 9), (9, 30), (30, 31)]
    depths = [depth_of(codes[a].tolist(), codes[b].tolist()) for a, b in pairs]
    assert found.cooccurrence == pytest.approx([np.mean([d >= 1 for d in depths]), np.mean([d == 2 for d in depths])])
    representatives = np.unique(first)
    pairs_alone = draw_neighbour_pairs(len(representatives), np.random.default_rng(0))
    alone = neighbour_figures(codes[representatives], vectors[representatives], pairs_alone)
    assert NeighbourFigures(**{name: getattr(found, name) for name in vars(alone)}) == alone
    for name, distinct in (
        ("embedding", distinct_embeddings(vectors, first)),
        ("decoded", distinct_codes(tokenizer, codes)),
    ):
        assert getattr(found, f"{name}_hitrate_100") == hit_rate(distinct, np.array(pairs), 100)
    assert (found.category_level, found.category_ami) == category_agreement(
        codes[:, 0], categories, np.random.default_rng(0)
    )
    again = structure_figures(codes, tokenizer, items, interactions_of(histories, [3, 3, 3]))
    assert again == found


def test_samples_are_the_same_for_every_tokenizer(vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "SAMPLE", 5)
    asked: list[list[int]] = []

    def spy(vectors: np.ndarray, rows: np.ndarray, k: int, beside: list) -> np.ndarray:
        asked.append(rows.tolist())
        return nearest_others(vectors, rows, k, beside)

    monkeypatch.setattr(structure, "nearest_others", spy)
    first = first_of_identical(vectors)
    for size in (3, 4):
        tokenizer = fitted(vectors, size)
        structure_figures(tokenizer.encode(vectors), tokenizer, DescribedItems(vectors, first, np.zeros((40, 1), int)))
    assert asked[0] == asked[1]
    assert len(asked[0]) == 5


def test_without_interactions_and_categories_their_figures_are_empty(vectors: np.ndarray) -> None:
    tokenizer = fitted(vectors)
    codes = tokenizer.encode(vectors)
    items = DescribedItems(vectors, first_of_identical(vectors), np.zeros((40, 1), int))
    found = structure_figures(codes, tokenizer, items)
    empty = {name for name, value in vars(found).items() if value is None}
    hitrates = {"embedding_hitrate_100", "decoded_hitrate_100"}
    # the scorecard adds the lift
    assert empty == {"category_level", "category_ami", "cooccurrence", "cooccurrence_lift", *hitrates}


def test_one_embedding_for_all_has_no_neighbours() -> None:
    vectors = np.ones((6, 3), np.float32)
    tokenizer = RQKMeans(num_levels=1, codebook_size=1)
    tokenizer.mean_, tokenizer.directions_ = torch.zeros(3), torch.zeros(0, 3)
    tokenizer.codebooks_, tokenizer.cluster_sizes_ = torch.ones(1, 1, 3), torch.ones(1, 1)
    found = structure_figures(
        np.zeros((6, 1), int),
        tokenizer,
        DescribedItems(vectors, first_of_identical(vectors), np.zeros((6, 1), int)),
        interactions_of([[0, 1]], [2]),
    )
    assert found.neighbours_same_code is None
    assert found.cooccurrence == (1.0,)
    assert found.embedding_hitrate_100 == found.decoded_hitrate_100 == 1.0


def test_codes_of_other_items_are_refused(vectors: np.ndarray) -> None:
    tokenizer = fitted(vectors)
    with pytest.raises(InputError, match="39 codes, but 40 embeddings"):
        structure_figures(
            tokenizer.encode(vectors)[1:],
            tokenizer,
            DescribedItems(vectors, first_of_identical(vectors), np.zeros((40, 1), int)),
        )


def test_the_embeddings_are_read_once_for_neighbours_and_hits_together(
    vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(structure, "SAMPLE", 2)
    monkeypatch.setattr(structure, "SEARCHED_AT_ONCE", 1)
    monkeypatch.setattr(structure, "COMPARED_PRODUCTS", 12)
    distinct = np.unique(vectors, axis=0)
    reads: list[int] = []

    class Read:
        shape, dtype = distinct.shape, distinct.dtype

        def __len__(self) -> int:
            return len(distinct)

        def __getitem__(self, rows: np.ndarray) -> np.ndarray:
            reads.append(len(rows))
            return distinct[rows]

    tokenizer = fitted(distinct)
    items = DescribedItems(Read(), np.arange(31), np.zeros((31, 1), int))
    found = structure_figures(tokenizer.encode(distinct), tokenizer, items, interactions_of([[0, 7, 2, 9]], [3]))
    assert found.embedding_hitrate_100 is not None
    # two items, their twenty neighbours and twenty random others are fewer than all
    assert [rows for rows in reads if rows > 20] == [31]
