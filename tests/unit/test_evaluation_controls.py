"""Controls, random codes, peers and the choice of the query, against plain loops and expected values."""

import dataclasses
import json
from collections import Counter

import numpy as np
import pytest
from test_evaluation_evaluate import (
    ALL_RERANKS,
    NAME,
    World,
    assert_row,
    benchmark_of,
    history_of,
    needs_faiss,
    reference_metrics,
)

from semid.embeddings import first_of_identical
from semid.errors import InputError
from semid.evaluation import (
    Cooccurrence,
    EvaluationSettings,
    build_queries,
    controls,
    evaluate_controls,
    evaluate_peers,
    evaluate_random_codes,
    fit_query,
    fitted_settings,
    peers,
)
from semid.evaluation.metrics import METRICS, expected_metric
from semid.evaluation.queries import query_vectors
from semid.evaluation.query_choice import query_grid
from semid.retrieval import InvertedIndex, faiss_index


def control_rows(world: World, settings: EvaluationSettings = ALL_RERANKS, **options):
    evaluation = evaluate_controls(world.benchmark(settings), world.cooccurrence, **options)
    rows, ranks = evaluation.rows, evaluation.ranks
    assert [(row["candidates"], row["budget"], row["rerank"]) for row in rows] == list(ranks)
    return {row["candidates"]: row for row in rows}


def loop_over_queries(queries, candidates_and_scores) -> dict[str, float]:
    """Metrics from a function of (history, target) that gives candidates and their scores as a dict."""
    greater, equal, found, size = [], [], [], []
    for i, target in enumerate(queries.target.tolist()):
        scores = candidates_and_scores(history_of(queries, i))
        own = scores.get(target, np.inf)
        greater.append(sum(score > own for score in scores.values()))
        equal.append(sum(score == own for score in scores.values()))
        found.append(target in scores)
        size.append(len(scores))
    arrays = np.array(greater), np.array(equal), np.array(found)
    means = {metric: expected_metric(metric, *arrays).mean() for metric in METRICS}
    return {"avg_cand_size": np.mean(size), "cand_recall": np.mean(found), **means}


def test_cooccurrence_equals_a_plain_loop_over_users(monkeypatch):
    # few items, so that steps repeat and counts tie
    world = World(num_items=40, num_users=80)
    beside: dict[int, Counter] = {item: Counter() for item in range(40)}
    for left, right in world.interactions.training_steps().tolist():
        beside[left][right] += 1
        beside[right][left] += 1
    assert max(count for counts in beside.values() for count in counts.values()) > 2

    def neighbours(history):
        return {item: count for item, count in beside[history[-1]].items() if item not in history}

    row = control_rows(world)["cooccurrence"]
    assert (row["tokenizer"], row["rerank"], row["query"]) == ("controls", "counts", "")
    assert_row(row, loop_over_queries(world.queries, neighbours))
    assert 0 < row["cand_recall"] < 1
    whole = {key: value for key, value in row.items() if key != "query_us"}
    monkeypatch.setattr(controls, "PAIR_BUDGET", 64)
    assert whole == {key: value for key, value in control_rows(world)["cooccurrence"].items() if key != "query_us"}


def test_a_last_item_that_stood_beside_nothing_has_no_candidates():
    world = World()
    world.cooccurrence = Cooccurrence.build(np.zeros((0, 2), int), 300)
    row = control_rows(world)["cooccurrence"]
    assert row["avg_cand_size"] == row["cand_recall"] == row["recall@100"] == row["mrr"] == 0


def test_category_paths_are_ranked_as_codes_are():
    world = World(dim=16)
    rows = control_rows(world, categories=world.index)
    assert list(rows) == ["all", "popularity", "cooccurrence", "category:exact", "category:prefix"]
    for strategy in ("exact", "prefix"):
        assert_row(rows[f"category:{strategy}"], reference_metrics(world, strategy, world.vectors, normalize=False))
        assert rows[f"category:{strategy}"]["tokenizer"] == "controls"


def random_rows(world: World, settings: EvaluationSettings):
    rows = evaluate_random_codes(world.benchmark(settings), world.tokenizer())
    return {(row["candidates"], row["budget"]): row for row in rows}


def test_random_codes_lie_within_their_interval_of_the_expected_value():
    """A budget of b of n unseen items finds the target with the probability b / n; 95 % intervals of ten worlds."""
    covered = []
    for seed in range(10):
        world = World(num_items=1000, dim=16, num_users=1500, seed=seed)
        unseen = 1000 - np.array([len(set(history_of(world.queries, i))) for i in range(len(world.queries))])
        settings = EvaluationSettings(candidates=("probe", "hamming1"), budgets=(5, 20, 100), resamples=200, seed=seed)
        rows = random_rows(world, settings)
        assert list(rows) == [("random:probe", 5), ("random:probe", 20), ("random:probe", 100)]
        for (_, budget), row in rows.items():
            expected = (budget / unseen).mean()
            # among at most k candidates, whoever finds the target has it among the first k
            k = max(budget, 10)
            covered.append(row[f"recall@{k}_low"] <= expected <= row[f"recall@{k}_high"])
            assert row["avg_cand_size"] == budget
            assert row["tokenizer"] == NAME.name
    assert sum(covered) >= 25


def test_codes_that_know_the_target_lose_it_when_they_are_dealt_at_random():
    """The items of the history and the target share a bucket of ten: exact finds all, random codes 9 of 999."""
    world = World(num_items=1000, dim=16, num_users=400)
    rng = np.random.default_rng(3)
    bucket = np.repeat(np.arange(100), 10)
    codes = np.stack([bucket // 10, bucket % 10], axis=1).astype(np.uint16)
    user = np.repeat(np.arange(400), 2)
    first = rng.integers(0, 1000, 400)
    second = first // 10 * 10 + (first + 1) % 10
    world.interactions = dataclasses.replace(
        world.interactions,
        user=user,
        item=np.stack([first, second], axis=1).ravel(),
        timestamp=np.arange(800),
        split=np.tile(np.array([0, 2], np.int8), 400),
    )
    world.queries = build_queries(world.interactions)
    world.index, world.space = InvertedIndex.build(codes), None
    settings = EvaluationSettings(candidates=("exact", "prefix"), min_candidates=50, resamples=200)
    rows = random_rows(world, settings)
    assert rows["random:exact", 0]["avg_cand_size"] == 9
    assert rows["random:prefix", 0]["avg_cand_size"] == 99
    assert rows["random:exact", 0]["recall@10_low"] <= 9 / 999 <= rows["random:exact", 0]["recall@10_high"]
    assert rows["random:prefix", 0]["recall@100_low"] <= 99 / 999 <= rows["random:prefix", 0]["recall@100_high"]
    again = random_rows(world, settings)
    assert [row["cand_recall"] for row in again.values()] == [row["cand_recall"] for row in rows.values()]


@needs_faiss
@pytest.mark.parametrize("num_items", [300, 3000])
def test_peers_rank_the_first_unseen_items_of_their_index(num_items):
    world = World(num_items=num_items, dim=16, num_users=100)
    vectors = np.random.default_rng(2).standard_normal((num_items, 16)).astype(np.float32)
    world.vectors, world.representatives = vectors, first_of_identical(vectors)
    counts = np.ones(num_items, int)
    counts[: num_items // 10] = 0
    settings = EvaluationSettings(budgets=(10, 40), resamples=10)
    world.training_counts = counts
    rows = evaluate_peers(world.benchmark(settings))
    assert [(row["candidates"], row["budget"]) for row in rows] == [
        (peer, budget) for peer in ("ivf_flat", "pq", "ivf_pq") for budget in (10, 40)
    ]
    factories = peers.peer_factories(num_items, 16, np.count_nonzero(counts))
    for row in rows:
        factory, bits = factories[row["candidates"]]
        index = faiss_index.build_index(vectors, factory, np.flatnonzero(counts))
        index.probe(2 * row["budget"])

        def found(history, index=index, budget=row["budget"]):
            query = query_vectors(vectors, build_history(history), settings)
            unseen = [i for i in index.search(query, num_items)[0].tolist() if i >= 0 and i not in history]
            return {i: float((query[0].numpy() * vectors[i]).sum()) for i in unseen[:budget]}

        expected = loop_over_queries(world.queries, found)
        assert row["avg_cand_size"] == expected["avg_cand_size"] <= row["budget"]
        assert row["cand_recall"] == expected["cand_recall"]
        assert row["recall@10"] == pytest.approx(expected["recall@10"], abs=1e-12)
        assert (row["tokenizer"], row["method"], row.get("bits")) == ("peers", factory, bits)


def build_history(items):
    from semid.retrieval import Ragged

    return Ragged(np.array(items), np.array([0, len(items)]))


@pytest.mark.parametrize(
    ("items", "dim", "training", "expected"),
    [
        (12_086, 384, 12_000, ("IVF307,Flat", "PQ4x8np", "IVF307,PQ4x8np")),
        (1_000_000, 384, 900_000, ("IVF4000,Flat", "PQ4x8np", "IVF4000,PQ4x8np")),
        (60, 6, 50, ("IVF1,Flat", "PQ2x3np", "IVF1,PQ2x3np")),
        (3, 5, 1, ("IVF1,Flat", "PQ1x1np", "IVF1,PQ1x1np")),
    ],
)
def test_peers_grow_with_the_catalogue(items, dim, training, expected):
    assert tuple(factory for factory, _ in peers.peer_factories(items, dim, training).values()) == expected


def test_the_query_is_chosen_on_the_validation_split_by_the_whole_catalogue(tmp_path):
    world = World(num_items=200, dim=16, num_users=200)
    vectors = np.random.default_rng(4).standard_normal((200, 16)).astype(np.float32)
    queries = build_queries(world.interactions, "valid")
    valid = benchmark_of(queries, vectors, EvaluationSettings(split="valid"))
    choice = fit_query(valid)
    assert [row["name"] for row in choice["grid"]][:3] == ["last", "mean", "decay0.5x5"]
    assert len(choice["grid"]) == 11
    for settings, row in zip(query_grid(), choice["grid"], strict=True):
        settings = dataclasses.replace(settings, resamples=10)
        ranks = evaluate_controls(dataclasses.replace(valid, settings=settings), world.cooccurrence).ranks
        whole = next(iter(ranks.values()))
        for metric in ("recall@10", "ndcg@10"):
            expected = expected_metric(metric, whole.greater, whole.equal, whole.found).mean()
            assert row[metric] == pytest.approx(expected, abs=1e-12)
    best = max(choice["grid"], key=lambda row: (row["recall@10"], row["ndcg@10"]))
    assert [choice[key] for key in ("query", "decay", "history")] == [
        best[key] for key in ("query", "decay", "history")
    ]
    assert len({row["ndcg@10"] for row in choice["grid"]}) > 5

    path = tmp_path / "query.json"
    path.write_text(json.dumps(choice))
    fitted = fitted_settings(EvaluationSettings(query="fit", min_candidates=7), path)
    assert fitted == EvaluationSettings(
        query=best["query"], decay=best["decay"], history=best["history"], min_candidates=7
    )
    assert fitted_settings(EvaluationSettings(query="mean"), path) == EvaluationSettings(query="mean")


def test_a_query_that_cannot_be_fitted_is_named(tmp_path):
    with pytest.raises(InputError, match="chosen on the split valid"):
        EvaluationSettings(query="fit", split="valid")
    settings = EvaluationSettings(query="fit")
    path = tmp_path / "query.json"
    for content in (None, "{", "{}", "[]"):
        if content is not None:
            path.write_text(content)
        with pytest.raises(InputError, match=r"query\.json holds no choice"):
            fitted_settings(settings, path)


def test_random_codes_keep_the_sizes_of_the_buckets():
    world = World()
    settings = dataclasses.replace(ALL_RERANKS, candidates=("exact", "probe"))
    rows = evaluate_random_codes(world.benchmark(settings), world.tokenizer())
    assert [(row["candidates"], row["budget"], row["rerank"]) for row in rows] == [
        ("random:exact", 0, "exact"),
        ("random:probe", 7, "exact"),
        ("random:probe", 30, "exact"),
    ]
    assert all(row["entropy_bits"] == pytest.approx(world.index.entropy_bits()) for row in rows)
