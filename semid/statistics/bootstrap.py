"""Percentile intervals of means over queries, from resampled users."""

import numpy as np
import torch

BLOCK_DRAWS = 1 << 22
# For a kind of row that so few users share, drawing user by user is cheaper than drawing a binomial.
FEW_USERS = 8


def bootstrap_intervals(
    values: np.ndarray, user: np.ndarray, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> np.ndarray:
    """Return float64 [2, metrics]: the percentile interval of each column's mean when users are drawn with replacement.

    values: float [queries, metrics]; user: integers [queries], the user who asked each query. A user who is drawn
    brings all of that user's queries, so the statistic is a ratio of sums (Efron and Tibshirani, "An Introduction to
    the Bootstrap", 1993). All metrics are computed from the same resamples.
    """
    place = np.unique(user, return_inverse=True)[1]
    columns = [np.bincount(place, weights=column) for column in values.T]
    totals = resampled_sums(np.column_stack([*columns, np.bincount(place)]), resamples, seed)
    return np.quantile(totals[:, :-1] / totals[:, -1:], interval_ends(level), axis=0)


def interval_ends(level: float) -> tuple[float, float]:
    """Return the two quantiles between which the central share `level` lies."""
    return (1 - level) / 2, (1 + level) / 2


def resampled_sums(rows: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Return float64 [resamples, columns]: sums of `rows`, float [users, columns], over users drawn with replacement.

    Users with the same row are drawn together as one multinomial count, which has the same distribution: most users
    have no hit at all, and most of the others have one of a few outcomes. The result depends on the seed, not on
    BLOCK_DRAWS.
    """
    kinds, counts = _distinct_rows(rows)
    few = counts <= FEW_USERS
    singles = np.repeat(np.flatnonzero(few), counts[few])
    # NumPy gives the last entry what rounding leaves over, so the pool of singles, which may be empty, comes first
    shares = np.append(len(singles), counts[~few]) / len(rows)
    draw_kinds, draw_singles = np.random.default_rng(seed).spawn(2)
    sums = []
    step = max(1, BLOCK_DRAWS // len(kinds))
    for start in range(0, resamples, step):
        drawn = draw_kinds.multinomial(len(rows), shares, size=min(step, resamples - start))
        weights = np.zeros((len(drawn), len(kinds)))
        weights[:, ~few] = drawn[:, 1:]
        if len(singles):
            for weight, number in zip(weights, drawn[:, 0], strict=True):
                chosen = singles[draw_singles.integers(len(singles), size=number)]
                weight += np.bincount(chosen, minlength=len(kinds))
        sums.append(torch.from_numpy(weights) @ torch.from_numpy(kinds))
    return torch.cat(sums).numpy()


def _distinct_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct rows as float64, and int64, how often each of them occurs."""
    ordered = rows[np.lexsort(rows.T)].astype(np.float64)
    starts = np.flatnonzero(np.append(True, (ordered[1:] != ordered[:-1]).any(axis=1)))
    return ordered[starts], np.diff(starts, append=len(rows))
