"""Metrics against ir_measures, scikit-learn and examples worked by hand."""

import math

import ir_measures
import numpy as np
import pytest
from ir_measures import RR, R, nDCG
from sklearn.metrics import ndcg_score

from semid.evaluation.metrics import KS, LIST_METRICS, METRICS, GainMetric, ListMetric, expected_metric
from semid.evaluation.metrics.coverage import covered_share
from semid.evaluation.metrics.registry import _LOADED
from semid.registries import load


def ranks_of(scores: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    own = scores[np.arange(len(scores)), target][:, None]
    return (scores > own).sum(axis=1), (scores == own).sum(axis=1)


def one(metric: str, greater: int, equal: int, found: bool = True) -> float:
    return float(expected_metric(metric, np.array([greater]), np.array([equal]), np.array([found]))[0])


def test_metrics_without_ties_equal_ir_measures():
    rng = np.random.default_rng(0)
    scores = np.stack([rng.permutation(250) for _ in range(60)]).astype(float)
    target = rng.integers(0, 250, 60)
    greater, equal = ranks_of(scores, target)
    qrels = [ir_measures.Qrel(str(q), str(item), 1) for q, item in enumerate(target)]
    run = [ir_measures.ScoredDoc(str(q), str(i), s) for q, row in enumerate(scores) for i, s in enumerate(row)]
    measures = {f"recall@{k}": R @ k for k in KS} | {f"ndcg@{k}": nDCG @ k for k in KS} | {"mrr": RR @ 100}
    found = ir_measures.calc_aggregate(measures.values(), qrels, run)
    assert set(measures) <= set(METRICS)
    for name, measure in measures.items():
        ours = expected_metric(name, greater, equal, np.ones(60, bool)).mean()
        assert ours == pytest.approx(found[measure], abs=1e-12), name


@pytest.mark.parametrize("distinct", [120, 40, 5, 1])
def test_ndcg_equals_scikit_learn_which_averages_over_ties(distinct):
    rng = np.random.default_rng(distinct)
    scores = rng.permutation(120)[None, :].repeat(30, 0).astype(float)
    for row in scores:
        rng.shuffle(row)
    scores = np.floor(scores * distinct / 120)
    target = rng.integers(0, 120, 30)
    relevant = np.zeros((30, 120))
    relevant[np.arange(30), target] = 1
    greater, equal = ranks_of(scores, target)
    for k in KS:
        ours = expected_metric(f"ndcg@{k}", greater, equal, np.ones(30, bool)).mean()
        assert ours == pytest.approx(ndcg_score(relevant, scores, k=k), abs=1e-12)


def test_tied_metrics_are_the_mean_over_all_orders():
    assert one("recall@10", 0, 20) == 0.5
    assert one("recall@10", 8, 4) == 0.5
    assert one("recall@1", 0, 3) == pytest.approx(1 / 3)
    assert one("ndcg@5", 3, 4) == pytest.approx((1 / math.log2(5) + 1 / math.log2(6)) / 4)
    assert one("mrr", 0, 2) == 0.75
    assert one("mrr", 1, 3) == pytest.approx((1 / 2 + 1 / 3 + 1 / 4) / 3)


def test_ranks_past_the_cutoff_and_missing_targets_count_zero():
    assert one("recall@10", 9, 1) == 1
    assert one("recall@10", 10, 1) == 0
    assert one("mrr", 99, 1) == pytest.approx(1 / 100)
    assert one("mrr", 100, 1) == 0
    assert one("ndcg@100", 5_000_000, 7) == 0
    assert all(one(metric, 0, 0, found=False) == 0 for metric in METRICS)
    assert all(one(metric, 0, 5, found=False) == 0 for metric in METRICS)


def test_the_table_of_metrics_is_what_the_families_of_the_registry_hold():
    metrics = [metric for family in _LOADED for metric in load(family)]
    assert [metric.name for metric in metrics if isinstance(metric, GainMetric)] == list(METRICS)
    assert [metric.name for metric in metrics if isinstance(metric, ListMetric)] == list(LIST_METRICS)
    assert len(metrics) == len(METRICS) + len(LIST_METRICS)
    first = [*(f"recall@{k}" for k in KS), *(f"ndcg@{k}" for k in KS), "mrr"]
    assert list(METRICS)[: len(first)] == first


def test_coverage_is_the_share_of_items_that_anybody_is_shown():
    ranked = np.array([[0, 3, 1], [3, 0, -1], [-1, -1, -1]], np.int32)
    assert covered_share(ranked, 8, np.zeros(8, int)) == 3 / 8
    assert covered_share(np.full((2, 3), -1, np.int32), 8, np.zeros(8, int)) == 0
    assert covered_share(np.arange(8, dtype=np.int32)[:, None], 8, np.zeros(8, int)) == 1
    # the first 10 are asked for, however far other metrics look
    assert LIST_METRICS["item_coverage@10"].depth == 10
