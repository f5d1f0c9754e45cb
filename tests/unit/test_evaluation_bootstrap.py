"""Intervals: they cover the truth at about the stated rate, and resample users, not queries."""

import numpy as np
import pytest

from semid.evaluation import bootstrap
from semid.evaluation.bootstrap import bootstrap_interval


def test_intervals_cover_the_truth_at_about_the_stated_rate():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(400):
        values = (rng.random(400) < 0.2).astype(float)
        low, high = bootstrap_interval(values, np.arange(400), resamples=400, seed=trial)
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
        low, high = bootstrap_interval(values, np.repeat(np.arange(150), counts), resamples=300, seed=trial)
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
    found = bootstrap_interval(values, user, resamples=4000)
    np.testing.assert_allclose(found, np.quantile(means, [0.025, 0.975]), atol=0.006)


def test_a_user_with_repeated_queries_widens_the_interval():
    values = np.tile([0.0, 1.0], 500)
    narrow = bootstrap_interval(values, np.arange(1000))
    wide = bootstrap_interval(np.sort(values), np.repeat(np.arange(10), 100))
    assert wide[1] - wide[0] > 5 * (narrow[1] - narrow[0])


def test_interval_depends_on_the_seed_alone_and_memory_is_cut_into_blocks(monkeypatch):
    rng = np.random.default_rng(3)
    values, user = rng.random(500), np.arange(500)
    whole = bootstrap_interval(values, user, seed=1)
    assert whole == bootstrap_interval(values, user + 10_000, seed=1)
    assert whole != bootstrap_interval(values, user, seed=2)
    monkeypatch.setattr(bootstrap, "BLOCK_DRAWS", 500 * 7)
    np.testing.assert_allclose(bootstrap_interval(values, user, seed=1), whole, atol=1e-12)


def test_certain_values_have_no_width():
    assert bootstrap_interval(np.ones(20), np.arange(20)) == (1.0, 1.0)
    assert bootstrap_interval(np.array([0.5]), np.array([7])) == pytest.approx((0.5, 0.5))
