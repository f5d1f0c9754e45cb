"""Percentile intervals of a mean over queries, from resampled users."""

import numpy as np

BLOCK_DRAWS = 1 << 22


def bootstrap_interval(
    values: np.ndarray, user: np.ndarray, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of the mean of `values`, float [queries], when users are drawn with replacement.

    user: integers [queries], whose query each value is. A user brings all queries, so the statistic is a ratio of
    sums (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993). Users with the same queries and sum are
    drawn together as one multinomial count, which is the same distribution at the cost of the distinct users only.
    """
    _, place, queries = np.unique(user, return_inverse=True, return_counts=True)
    sums = np.bincount(place, weights=values)
    kinds, counts = np.unique(np.column_stack([sums, queries]), axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    means = []
    step = max(1, BLOCK_DRAWS // len(kinds))
    for start in range(0, resamples, step):
        drawn = rng.multinomial(len(queries), counts / len(queries), size=min(step, resamples - start))
        totals = (drawn[:, :, None] * kinds).sum(axis=1)
        means.append(totals[:, 0] / totals[:, 1])
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
