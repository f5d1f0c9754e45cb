"""The first items of every query against a plain sort, whatever found, fetched and batched them."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_evaluation_evaluate import ALL_RERANKS, World, candidates_of, history_of, needs_faiss

from semid.embeddings import first_of_identical
from semid.evaluation import (
    EvaluationSettings,
    benchmark,
    candidate_ranking,
    controls,
    evaluate_controls,
    evaluate_peers,
    evaluate_tokenizer,
    peers,
    whole_catalogue,
)
from semid.evaluation.metrics import LIST_METRICS, ListMetric
from semid.evaluation.ranked_lists import first_ranked
from semid.retrieval import faiss_index
from semid.retrieval.strategies import candidates

DEPTH = 12
FEW = dataclasses.replace(ALL_RERANKS, resamples=2)


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """A metric of the first 12, and what it is asked with."""
    calls = []

    def value(ranked: np.ndarray, num_items: int, training_counts: np.ndarray) -> float:
        calls.append((ranked.copy(), num_items, training_counts))
        return len(calls)

    monkeypatch.setitem(LIST_METRICS, "calls", ListMetric("calls", value, DEPTH, "how often it was asked"))
    return calls


def sorted_list(items, scores) -> list[int]:
    """The first items by score, then by index, with -1 behind their end."""
    order = sorted(zip((-np.asarray(scores)).tolist(), np.asarray(items).tolist(), strict=True))
    return ([item for _, item in order] + [-1] * DEPTH)[:DEPTH]


def assert_lists(queries, lists: np.ndarray, scored) -> None:
    """`scored` is a function from a history to the unseen candidates and their scores."""
    assert lists.dtype == np.int32
    assert lists.shape == (len(queries), DEPTH)
    for i in range(len(queries)):
        history = history_of(queries, i)
        items, scores = scored(history)
        assert lists[i].tolist() == sorted_list(items, scores), i
        assert not set(lists[i].tolist()) & set(history)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 5), st.sampled_from(["float", "int"]))
def test_lists_are_those_of_a_plain_sort(seed, num_queries, depth, kind):
    rng = np.random.default_rng(seed)
    owner = rng.integers(0, num_queries, 40)
    items = np.array([rng.permutation(40)[k] for k in range(40)])
    values = np.array([-np.inf, -2.5, -1e-30, -0.0, 0.0, 1e-30, 1.0, np.inf], np.float32)
    scores = rng.choice(values, 40) if kind == "float" else rng.integers(0, 3, 40)
    lists = first_ranked(owner, items, scores, num_queries, depth)
    for query in range(num_queries):
        own = owner == query
        order = np.lexsort((items[own], -scores[own]))
        assert lists[query].tolist() == (items[own][order].tolist() + [-1] * depth)[:depth]


def test_nothing_to_list_gives_empty_lists():
    nothing = np.empty(0, np.int64)
    assert (first_ranked(nothing, nothing, np.empty(0, np.float32), 3, 4) == np.full((3, 4), -1)).all()


def test_a_metric_gets_the_first_of_every_query_the_catalogue_and_what_training_had(asked):
    world = World()
    evaluation = evaluate_tokenizer(world.benchmark(FEW), world.tokenizer())
    rows, ranks = evaluation.rows, evaluation.ranks
    assert [row["calls"] for row in rows] == list(range(1, len(rows) + 1))
    for (lists, num_items, counts), ranked in zip(asked, ranks.values(), strict=True):
        assert (lists == ranked.lists).all()
        assert num_items == 300
        assert counts is world.training_counts


def test_without_a_metric_that_asks_there_are_no_lists(monkeypatch):
    monkeypatch.delitem(LIST_METRICS, "calls")
    for name in list(LIST_METRICS):
        monkeypatch.delitem(LIST_METRICS, name)
    world = World()
    ranks = evaluate_tokenizer(world.benchmark(FEW), world.tokenizer()).ranks
    controlled = evaluate_controls(world.benchmark(FEW), world.cooccurrence).ranks
    assert all(ranked.lists.shape[1] == 0 for ranked in (*ranks.values(), *controlled.values()))


@pytest.mark.parametrize("normalize", [False, True])
def test_lists_of_a_tokenizer_equal_a_plain_sort(normalize):
    # 16 distinct vectors of 300 items: nearly all scores are shared
    world = World(dim=4)
    ranks = evaluate_tokenizer(world.benchmark(FEW, normalize), world.tokenizer()).ranks
    vectors = {"exact": world.vectors, "decoded": world.decoded[world.index.bucket_of_item]}
    for strategy, ranked in ranks.items():
        rows = vectors[strategy.rerank].astype(np.float64)

        def scored(history, strategy=strategy, rows=rows):
            items = candidates_of(world, history, strategy.candidates, strategy.budget, FEW.min_candidates)
            return items, rows[items] @ world.vectors[history[-1]].astype(np.float64)

        assert_lists(world.queries, ranked.lists, scored)


@pytest.mark.parametrize("dim", [4, 16])
def test_lists_of_the_controls_equal_a_plain_sort(dim):
    world = World(dim=dim)
    # a zero query ties the whole catalogue, of which the fetch gets a part
    world.vectors[world.queries.items[world.queries.stop[:3] - 1]] = 0
    world.representatives = first_of_identical(world.vectors)
    ranks = evaluate_controls(world.benchmark(FEW), world.cooccurrence, categories=world.index).ranks
    rows = world.vectors.astype(np.float64)

    def unseen(history):
        return np.setdiff1d(np.arange(len(rows)), history)

    def by_vectors(history):
        return unseen(history), rows[unseen(history)] @ rows[history[-1]]

    def by_counts(history):
        return unseen(history), world.training_counts[unseen(history)]

    def by_neighbours(history):
        of_last = slice(*world.cooccurrence.offsets[history[-1] : history[-1] + 2])
        items, counts = world.cooccurrence.items[of_last], world.cooccurrence.counts[of_last]
        return items[~np.isin(items, history)], counts[~np.isin(items, history)]

    def by_category(history):
        items = candidates_of(world, history, "exact", 0, 0)
        return items, rows[items] @ rows[history[-1]]

    lists = {strategy.candidates: ranked.lists for strategy, ranked in ranks.items()}
    checked = {"all": by_vectors, "popularity": by_counts, "cooccurrence": by_neighbours, "category:exact": by_category}
    for name, scored in checked.items():
        assert_lists(world.queries, lists[name], scored)


def test_different_vectors_that_tie_where_the_fetch_is_cut_are_listed_by_index():
    # 5 items score 2, then 395 score 1: all differ in a coordinate that the query does not see, and the first of them
    # have the largest numbers there, so that an engine has no reason to fetch the lowest indices
    vectors = np.zeros((400, 2), np.float32)
    vectors[:, 1] = np.arange(400)[::-1] + 1
    vectors[:, 0] = 1
    vectors[395:, 0] = 2
    vectors[200] = 1, 0
    world = World(num_items=400)
    world.vectors, world.representatives = vectors, first_of_identical(vectors)
    world.queries.items[world.queries.stop - 1] = 200
    world.queries.target[:] = 399

    class Last:
        shape = (400, 2)

        def search(self, queries: torch.Tensor, k: int) -> np.ndarray:
            return np.tile(np.arange(400)[::-1][:k], (len(queries), 1))

    for engine in (None, Last()):
        ranked = whole_catalogue.rank_in_catalogue(world.benchmark(FEW), engine)
        assert_lists(
            world.queries,
            ranked.lists,
            lambda history: (unseen := np.setdiff1d(np.arange(400), history), vectors[unseen, 0]),
        )


def test_an_engine_that_finds_nothing_lists_nothing():
    world = World(num_items=500, dim=16)

    class Blind:
        shape = (500, 16)

        def search(self, queries: torch.Tensor, k: int) -> np.ndarray:
            return np.full((len(queries), k), -1)

    assert (whole_catalogue.rank_in_catalogue(world.benchmark(FEW), Blind()).lists == -1).all()


@needs_faiss
@pytest.mark.parametrize("normalize", [False, True])
def test_faiss_and_the_exact_search_give_the_same_lists(normalize, tmp_path):
    world = World(num_items=500, dim=16, num_users=80)
    rng = np.random.default_rng(5)
    world.vectors = rng.standard_normal((60, 16)).astype(np.float16)[rng.integers(0, 60, 500)]
    world.vectors[:3] = 0
    world.representatives = first_of_identical(world.vectors)
    faiss_index.train_index(world.vectors, tmp_path / "trained.index", normalize=normalize)
    faiss_index.fill_index(
        tmp_path / "trained.index", world.vectors, 0, 500, tmp_path / "index.faiss", normalize=normalize
    )
    ranked = world.benchmark(EvaluationSettings(query="mean"), normalize)
    exact = whole_catalogue.rank_in_catalogue(ranked)
    by_faiss = whole_catalogue.rank_in_catalogue(ranked, faiss_index.load(tmp_path / "index.faiss"))
    assert (exact.lists == by_faiss.lists).all()
    assert (exact.lists >= 0).all()


@needs_faiss
def test_lists_of_peers_hold_what_their_index_finds_in_order_of_the_vectors(asked):
    world = World(num_items=300, dim=4, num_users=30)
    world.training_counts = np.ones(300, int)
    rows = evaluate_peers(world.benchmark(dataclasses.replace(FEW, budgets=(5, 40))))
    for row, (lists, _, _) in zip(rows, asked, strict=True):
        for i in range(len(world.queries)):
            history, items = history_of(world.queries, i), lists[i][lists[i] >= 0]
            assert len(items) <= row["budget"]
            assert not set(items.tolist()) & set(history)
            query = world.vectors[history[-1]].astype(np.float64)
            assert items.tolist() == sorted_list(items, world.vectors[items].astype(np.float64) @ query)[: len(items)]


@pytest.mark.parametrize("is_large", [False, True])
def test_lists_do_not_depend_on_how_queries_and_pairs_are_batched(is_large, monkeypatch):
    monkeypatch.setattr("semid.retrieval.dense.COMPILED_ITEMS", 1 if is_large else 1 << 15)
    world = World()
    world.vectors[world.queries.items[world.queries.stop[:3] - 1]] = 0
    world.representatives = first_of_identical(world.vectors)

    def lists():
        ranks = evaluate_tokenizer(world.benchmark(FEW), world.tokenizer()).ranks
        controlled = evaluate_controls(world.benchmark(FEW), world.cooccurrence, categories=world.index).ranks
        return [ranked.lists.tolist() for ranked in (*ranks.values(), *controlled.values())]

    whole = lists()
    monkeypatch.setattr("semid.retrieval.dense.SCORE_BATCH", 11)
    monkeypatch.setattr("semid.retrieval.dense.COMPILED_BATCH", 11)
    monkeypatch.setattr("semid.retrieval.dense.SERIAL_VALUES", 12)
    for module in (benchmark, whole_catalogue, controls, candidates, peers):
        monkeypatch.setattr(module, "PAIR_BUDGET", 1 << 7)
    monkeypatch.setattr(benchmark, "QUERY_BLOCK", 1 << 3)
    assert lists() == whole


def test_lists_are_not_charged_to_queries(monkeypatch):
    now = [0]

    def slow(function):
        def waited(*arguments):
            now[0] += 1
            return function(*arguments)

        return waited

    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    for module in (candidate_ranking, whole_catalogue, controls):
        monkeypatch.setattr(module, "first_ranked", slow(module.first_ranked))
    monkeypatch.setattr(controls, "padded", slow(controls.padded))
    world = World()
    rows = list(evaluate_tokenizer(world.benchmark(FEW), world.tokenizer()).rows)
    rows += evaluate_controls(world.benchmark(FEW), world.cooccurrence).rows
    assert now[0] >= len(rows)
    assert [row["query_us"] for row in rows] == [0] * len(rows)


def test_coverage_counts_items_among_the_first_ten_of_any_query():
    world = World()
    evaluation = evaluate_tokenizer(world.benchmark(FEW), world.tokenizer())
    rows, ranks = evaluation.rows, evaluation.ranks
    evaluation = evaluate_controls(world.benchmark(FEW), world.cooccurrence)
    controlled, control_ranks = evaluation.rows, evaluation.ranks
    for row, ranked in zip(rows + controlled, [*ranks.values(), *control_ranks.values()], strict=True):
        shown = {item for line in ranked.lists.tolist() for item in line[:10] if item >= 0}
        assert row["item_coverage@10"] == len(shown) / 300
    assert min(row["item_coverage@10"] for row in rows + controlled) > 0
