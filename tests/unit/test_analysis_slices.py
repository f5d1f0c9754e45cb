"""Slices of the queries partition them, and their rows are those of the queries in them."""

import numpy as np
import pytest

from semid.analysis.slices import SLICE_COLUMNS, popularity_of_items, query_slices, slice_rows
from semid.evaluation.metrics import expected_metric
from semid.evaluation.queries import Queries
from semid.evaluation.target_ranks import Ranks
from semid.statistics.bootstrap import bootstrap_intervals


def queries_of(target, lengths, user=None, untied=None) -> Queries:
    n = len(target)
    return Queries(
        user=np.arange(n) if user is None else user,
        target=np.asarray(target),
        untied=np.ones(n, bool) if untied is None else untied,
        items=np.zeros(100, np.int64),
        start=np.zeros(n, np.int64),
        stop=np.asarray(lengths),
        no_history_skipped=0,
        unknown_target_skipped=0,
        seen_skipped=0,
    )


def test_thirds_of_the_interactions_by_hand():
    # 30 interactions: 10 | 6 + 4 | 3 + 2 + 2 + 1 + 1 + 1
    counts = np.array([1, 10, 2, 0, 6, 1, 4, 3, 0, 2, 1])
    assert popularity_of_items(counts).tolist() == [2, 0, 2, -1, 1, 2, 1, 2, -1, 2, 2]


def test_items_of_one_count_are_of_one_slice_and_each_slice_has_about_a_third():
    counts = np.random.default_rng(0).zipf(1.7, 20_000) - 1
    third = popularity_of_items(counts)
    for count in np.unique(counts):
        assert len(set(third[counts == count])) == 1
    assert (third[counts == 0] == -1).all()
    popular = np.argsort(-counts, kind="stable")
    kept = third[popular][counts[popular] > 0]
    assert (np.diff(kept) >= 0).all()
    spread = np.random.default_rng(0).integers(1, 1000, 20_000)
    shares = np.bincount(popularity_of_items(spread), weights=spread) / spread.sum()
    np.testing.assert_allclose(shares, 1 / 3, atol=0.002)


def test_items_that_are_all_alike_are_in_the_middle_and_no_training_makes_all_cold():
    assert popularity_of_items(np.full(9, 4)).tolist() == [1] * 9
    assert popularity_of_items(np.zeros(3, np.int64)).tolist() == [-1] * 3


def test_slices_partition_the_queries():
    rng = np.random.default_rng(1)
    untied = rng.random(2000) < 0.5
    queries = queries_of(rng.integers(0, 300, 2000), rng.integers(1, 12, 2000), untied=untied)
    counts = np.minimum(rng.zipf(1.5, 300) - 1, 100)
    slices = query_slices(queries, counts)
    for parts in (("head", "middle", "tail", "cold"), ("short_history", "long_history")):
        assert (sum(slices[name].astype(int) for name in parts) == 1).all()
        assert all(slices[name].any() for name in parts)
    assert slices["all"].all()
    assert (slices["cold"] == (counts[queries.target] == 0)).all()
    assert (slices["untied"] == untied).all()


def test_a_history_of_five_is_short_and_one_of_six_is_long():
    slices = query_slices(queries_of([0, 0, 0], [5, 6, 1]), np.array([3]))
    assert slices["short_history"].tolist() == [True, False, True]


def test_rows_are_those_of_the_queries_in_the_slice():
    rng = np.random.default_rng(2)
    queries = queries_of(rng.integers(0, 50, 600), rng.integers(1, 12, 600), user=rng.integers(0, 200, 600))
    ranks = Ranks(600)
    ranks.greater, ranks.equal = rng.integers(0, 30, 600), rng.integers(1, 4, 600)
    ranks.found = rng.random(600) < 0.8
    slices = query_slices(queries, np.arange(1, 51))
    rows = {str(row["slice"]): row for row in slice_rows(queries, slices, ranks, resamples=200, seed=3)}
    assert list(rows) == list(slices)
    for name, chosen in slices.items():
        if name == "cold":
            assert rows[name] == {"slice": "cold", "users": 0, "queries": 0}
            continue
        assert rows[name]["queries"] == chosen.sum()
        assert rows[name]["users"] == len(set(queries.user[chosen]))
        for metric in ("recall@10", "ndcg@10"):
            values = expected_metric(metric, ranks.greater, ranks.equal, ranks.found)[chosen]
            assert rows[name][metric] == pytest.approx(values.mean())
            low, high = bootstrap_intervals(values[:, None], queries.user[chosen], resamples=4000)[:, 0]
            assert rows[name][f"{metric}_low"] == pytest.approx(low, abs=0.25 * (high - low))
            assert rows[name][f"{metric}_high"] == pytest.approx(high, abs=0.25 * (high - low))
        assert set(rows[name]) <= set(SLICE_COLUMNS)
