"""`query_us` charges every ranking for its own work, all of it, on a clock that only the work under test moves."""

import dataclasses

import numpy as np
import pytest
from test_evaluation_evaluate import ALL_RERANKS, World, needs_faiss

from semid.evaluation import benchmark, costs, evaluate_controls, evaluate_peers, evaluate_tokenizer
from semid.retrieval import CodeSpace, faiss_index
from semid.retrieval.strategies import probe

FEW = dataclasses.replace(ALL_RERANKS, rerank=("exact",), budgets=(5, 10, 80), resamples=2)


@pytest.fixture
def clock(monkeypatch):
    """Seconds, in a list of one."""
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    return now


def microseconds(rows) -> dict:
    return {(row["candidates"], row["budget"]): row["query_us"] for row in rows}


def test_a_budget_pays_for_its_own_search_alone(clock, monkeypatch):
    search = probe.probe_batches

    def slow(index, tree, latent, history, budget):
        clock[0] += budget * len(history)
        yield from search(index, tree, latent, history, budget)

    monkeypatch.setattr(probe, "probe_batches", slow)
    world = World()
    charged = microseconds(evaluate_tokenizer(world.benchmark(FEW), world.tokenizer()).rows)
    assert charged == {
        ("exact", 0): 0,
        ("hamming1", 0): 0,
        ("prefix", 0): 0,
        **{("probe", budget): pytest.approx(1e6 * budget) for budget in FEW.budgets},
    }


def test_a_search_in_the_space_of_the_codebooks_pays_for_the_way_there(clock):
    world = World()

    def latent(rows):
        clock[0] += 3 * len(rows)
        return rows

    tokenizer = world.tokenizer(space=CodeSpace(world.space.tree, latent))
    charged = microseconds(evaluate_tokenizer(world.benchmark(FEW), tokenizer).rows)
    for (candidates, _), cost in charged.items():
        assert cost == pytest.approx(3e6 if candidates == "probe" else 0)


@needs_faiss
def test_whatever_asks_by_vectors_pays_for_the_vector_of_the_query(clock, monkeypatch):
    make = benchmark.query_vectors

    def slow(vectors, history, *settings):
        clock[0] += 2 * len(history)
        return make(vectors, history, *settings)

    monkeypatch.setattr(benchmark, "query_vectors", slow)
    world = World()
    ranked = world.benchmark(FEW)
    rows = [*evaluate_tokenizer(ranked, world.tokenizer()).rows, *evaluate_peers(ranked)]
    rows += evaluate_controls(ranked, world.cooccurrence, categories=world.index).rows
    for row in rows:
        by_counts = row["candidates"] in ("popularity", "cooccurrence")
        assert row["query_us"] == pytest.approx(0 if by_counts else 2e6), row["candidates"]


def world_with_a_long_history() -> World:
    """Everybody has a history of three items but one, who has had sixty."""
    world = World(num_items=300, num_users=41)
    queries = world.queries
    world.queries = dataclasses.replace(
        queries,
        **{name: getattr(queries, name)[:41] for name in ("user", "untied")},
        target=np.full(41, 299),
        items=np.arange(200),
        start=np.append(np.arange(40) * 3, 130),
        stop=np.append(np.arange(40) * 3 + 3, 190),
    )
    return world


def test_a_long_history_is_charged_to_nobody_else(clock, monkeypatch):
    world, search = world_with_a_long_history(), probe.probe_batches

    def slow(index, tree, latent, history, budget):
        clock[0] += len(history) * (budget + history.lengths.max())
        yield from search(index, tree, latent, history, budget)

    monkeypatch.setattr(probe, "probe_batches", slow)
    charged = microseconds(evaluate_tokenizer(world.benchmark(FEW), world.tokenizer()).rows)
    for budget in FEW.budgets:
        assert charged["probe", budget] == pytest.approx(1e6 * (40 * (budget + 3) + budget + 60) / 41)


@needs_faiss
def test_peers_are_charged_alike(clock, monkeypatch):
    world, search = world_with_a_long_history(), faiss_index.FaissIndex.search
    world.vectors = np.random.default_rng(2).standard_normal((300, 4)).astype(np.float32)
    world.representatives = np.arange(300)

    def slow(index, queries, k):
        clock[0] += len(queries) * k
        return search(index, queries, k)

    monkeypatch.setattr(faiss_index.FaissIndex, "search", slow)
    charged = microseconds(evaluate_peers(world.benchmark(FEW)))
    for peer in ("ivf_flat", "pq", "ivf_pq"):
        for budget in FEW.budgets:
            assert charged[peer, budget] == pytest.approx(1e6 * (40 * (budget + 3) + budget + 60) / 41)


def test_the_sample_is_bounded_seeded_and_in_parts_of_similar_histories(monkeypatch):
    monkeypatch.setattr(costs, "TIMED_QUERIES", 20)
    world = World(num_users=60)
    ranked = world.benchmark(FEW)

    def timed(settings=FEW) -> list[tuple[int, int]]:
        parts = costs.timed_parts(world.benchmark(settings))
        return [
            (query, stop) for part in parts for query, stop in zip(part.queries.user, part.queries.stop, strict=True)
        ]

    assert len(timed()) == len(set(timed())) == 20
    assert timed() == timed()
    assert timed() != timed(dataclasses.replace(FEW, seed=1))
    whole = {(row["candidates"], row["budget"]): row for row in evaluate_tokenizer(ranked, world.tokenizer()).rows}
    monkeypatch.setattr(costs, "TIMED_QUERIES", 3)
    for row in evaluate_tokenizer(ranked, world.tokenizer()).rows:
        assert {**row, "query_us": 0} == {**whole[row["candidates"], row["budget"]], "query_us": 0}
    monkeypatch.undo()
    lengths = [
        part.queries.stop - part.queries.start for part in costs.timed_parts(world_with_a_long_history().benchmark(FEW))
    ]
    assert [length.tolist() for length in lengths] == [[3] * 40, [60]]
