"""Intervals: they cover the truth at about the stated rate, and resample users, not queries."""

import numpy as np
import pytest

from semid.evaluation.metrics import METRICS, expected_metric
from semid.statistics import bootstrap
from semid.statistics.bootstrap import FEW_USERS, bootstrap_intervals, resampled_sums


def interval(values: np.ndarray, user: np.ndarray, **options) -> tuple[float, float]:
    """That of one metric, values float [queries]."""
    low, high = bootstrap_intervals(values[:, None], user, **options)[:, 0].tolist()
    return low, high


def test_intervals_cover_the_truth_at_about_the_stated_rate():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(400):
        values = (rng.random(400) < 0.2).astype(float)
        low, high = interval(values, np.arange(400), resamples=400, seed=trial)
        covered += low <= 0.2 <= high
    # 400 trials at 0.95: four standard deviations are 0.044
    assert 0.906 <= covered / 400 <= 0.994


def test_intervals_cover_when_the_queries_of_a_user_agree():
    # users have one to nine queries that all succeed or all fail: resampled queries would give intervals too narrow
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(300):
        counts = rng.integers(1, 10, 150)
        values = np.repeat((rng.random(150) < 0.4).astype(float), counts)
        low, high = interval(values, np.repeat(np.arange(150), counts), resamples=300, seed=trial)
        covered += low <= 0.4 <= high
    assert 0.89 <= covered / 300 <= 0.995


def test_interval_is_that_of_plain_resampling_of_users():
    rng = np.random.default_rng(2)
    user = rng.integers(0, 80, 300)
    values = rng.choice([0, 0.25, 1], 300)
    members = [np.flatnonzero(user == one) for one in np.unique(user)]
    means = []
    for _ in range(4000):
        rows = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        means.append(values[rows].mean())
    found = interval(values, user, resamples=4000)
    np.testing.assert_allclose(found, np.quantile(means, [0.025, 0.975]), atol=0.006)


def test_a_user_with_repeated_queries_widens_the_interval():
    values = np.tile([0.0, 1.0], 500)
    narrow = interval(values, np.arange(1000))
    wide = interval(np.sort(values), np.repeat(np.arange(10), 100))
    assert wide[1] - wide[0] > 5 * (narrow[1] - narrow[0])


def test_interval_depends_on_the_seed_alone_and_memory_is_cut_into_blocks(monkeypatch):
    rng = np.random.default_rng(3)
    values, user = np.where(rng.random(500) < 0.5, rng.random(500), 0), np.arange(500)
    whole = interval(values, user, seed=1)
    assert whole == interval(values, user + 10_000, seed=1)
    assert whole != interval(values, user, seed=2)
    monkeypatch.setattr(bootstrap, "BLOCK_DRAWS", 250 * 7)
    np.testing.assert_allclose(interval(values, user, seed=1), whole, atol=1e-12)


def test_certain_values_have_no_width():
    assert interval(np.ones(20), np.arange(20)) == (1.0, 1.0)
    assert interval(np.array([0.5]), np.array([7])) == pytest.approx((0.5, 0.5))


def test_every_metric_of_tied_ranks_is_covered_at_about_the_stated_rate():
    # targets uniform over 200 ranks, a third of them tied with two others: the truth is the mean over all of them
    rng = np.random.default_rng(4)
    greater = np.concatenate([np.arange(200), np.arange(0, 200, 2)])
    equal = np.repeat([1, 3], [200, 100])
    outcomes = np.column_stack([expected_metric(name, greater, equal, np.ones(300, bool)) for name in METRICS])
    covered = np.zeros(len(METRICS))
    for trial in range(300):
        values = outcomes[rng.integers(0, 300, 1500)]
        low, high = bootstrap_intervals(values, np.arange(1500), resamples=300, seed=trial)
        covered += (low <= outcomes.mean(axis=0)) & (outcomes.mean(axis=0) <= high)
    # 300 trials at 0.95: four standard deviations are 0.05; recall@1 and ndcg@1 have the fewest hits
    assert (covered / 300 >= 0.9).all(), dict(zip(METRICS, covered, strict=True))
    assert covered.mean() / 300 <= 0.975


def test_intervals_of_many_metrics_are_those_of_each():
    rng = np.random.default_rng(5)
    user = rng.integers(0, 400, 1000)
    values = np.column_stack([rng.random(1000) < 0.3, rng.random(1000), np.zeros(1000)])
    together = bootstrap_intervals(values, user, resamples=4000)
    apart = [interval(column, user, resamples=4000, seed=1) for column in values.T]
    np.testing.assert_allclose(together.T, apart, atol=0.003)
    assert (together[:, 2] == 0).all()


def test_resampled_sums_have_the_mean_and_covariance_of_a_draw_with_replacement():
    # rows that occur once, a few times, and too often to be drawn one by one
    rng = np.random.default_rng(6)
    rows = np.repeat(rng.random((60, 3)), rng.choice([1, FEW_USERS, FEW_USERS + 1, 200], 60), axis=0)
    sums = resampled_sums(rng.permutation(rows), 20_000, seed=0)
    covariance = len(rows) * np.cov(rows.T, bias=True)
    error = np.sqrt(np.diag(covariance) / 20_000)
    assert (np.abs(sums.mean(axis=0) - rows.sum(axis=0)) < 4 * error).all()
    np.testing.assert_allclose(np.cov(sums.T), covariance, atol=0.05 * np.diag(covariance).max())
    ones = resampled_sums(np.column_stack([np.ones(len(rows)), rows]), 50, seed=0)[:, 0]
    assert (ones == len(rows)).all()
