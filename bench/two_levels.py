"""Intervals in which users and trainings are both resampled.

A user's value is the mean over the trainings of a subject, and users are drawn with replacement. What other trainings
would have given is drawn beside it: a normal number, scaled by the standard deviation between trainings of one subject
over the root of how many there are. That deviation is pooled over the subjects that are alike and were trained more
than once, and is itself uncertain: in each resample it is drawn once, for all subjects, from what its degrees of
freedom leave open, so that differences follow Student's t. IDs dealt at random, whose draws vary
several times as much as trainings do, have their own deviation where they were drawn more than once.

Subjects are drawn apart. Where two of them share trainings, as an RQ-VAE and the RQ-KMeans that it begins as, the
interval of their difference is too wide rather than too narrow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from semid.analysis.paired_tests import holm
from semid.errors import InputError
from semid.statistics.bootstrap import interval_ends, resampled_sums

Row = dict[str, str | int | float]

# subjects that are none of the pool
APART = ("random",)


@dataclass(frozen=True)
class Spread:
    """The variance between trainings of one subject, and the degrees of freedom that it was estimated with."""

    variance: float
    degrees: int


@dataclass(frozen=True, eq=False)
class Measured:
    """Hits of the subjects of one dataset under one measure: by subject, float64 [trainings, users]."""

    hits: Mapping[str, np.ndarray]

    @property
    def pooled(self) -> Spread:
        """The spread of the subjects that are alike; 0 degrees where none of them was trained twice."""
        return spread_of([rows for subject, rows in self.hits.items() if not subject.startswith(APART)])

    def resampled(self, pooled: Spread, resamples: int, seed: int) -> np.ndarray:
        """Return float64 [resamples, subjects]: means under other users and other trainings.

        Raises InputError for a spread without degrees of freedom.
        """
        if not pooled.degrees:
            raise InputError(
                "no tokenizer was trained twice, so that nothing says how trainings differ: run more parts"
            )
        means = np.column_stack([rows.mean(axis=0) for rows in self.hits.values()])
        drawn = resampled_sums(means, resamples, seed) / len(means)
        # apart from the stream of the users
        random = np.random.default_rng([seed, 1])
        shared = np.sqrt(pooled.degrees / random.chisquare(pooled.degrees, resamples))
        for place, (subject, rows) in enumerate(self.hits.items()):
            spread, scale = pooled, shared
            if subject.startswith(APART) and len(rows) > 1:
                spread = spread_of([rows])
                scale = np.sqrt(spread.degrees / random.chisquare(spread.degrees, resamples))
            drawn[:, place] += random.normal(size=resamples) * scale * np.sqrt(spread.variance / len(rows))
        return drawn


def spread_of(subjects: Sequence[np.ndarray]) -> Spread:
    """Return the variance of the means of trainings around that of their subject, pooled; 0 without two trainings."""
    degrees = sum(len(rows) - 1 for rows in subjects)
    squares = sum(float(((rows.mean(axis=1) - rows.mean()) ** 2).sum()) for rows in subjects)
    return Spread(squares / degrees if degrees else 0.0, degrees)


def value_rows(measured: Measured, drawn: np.ndarray) -> list[Row]:
    """Return a row a subject: its mean, the interval, and its lowest and highest training."""
    ends = np.quantile(drawn, interval_ends(0.95), axis=0)
    rows: list[Row] = []
    for place, (subject, hits) in enumerate(measured.hits.items()):
        trainings = hits.mean(axis=1)
        rows.append(
            {
                "subject": subject,
                "trainings": len(hits),
                "users": hits.shape[1],
                "mean": float(trainings.mean()),
                "low": float(ends[0, place]),
                "high": float(ends[1, place]),
                "lowest": float(trainings.min()),
                "highest": float(trainings.max()),
            }
        )
    return rows


def pair_rows(measured: Measured, drawn: np.ndarray, pairs: Sequence[tuple[str, str]] = ()) -> list[Row]:
    """Return a row for every pair of subjects, or for the pairs that are named; their p values are corrected together.

    p is two-sided: twice the share of the resamples in which the difference has the other sign or is 0, and not below
    one over their number.
    """
    places = {subject: place for place, subject in enumerate(measured.hits)}
    rows: list[Row] = []
    for first, second in pairs or combinations(places, 2):
        between = drawn[:, places[first]] - drawn[:, places[second]]
        low, high = np.quantile(between, interval_ends(0.95))
        beyond = min((between <= 0).mean(), (between >= 0).mean())
        rows.append(
            {
                "first": first,
                "second": second,
                "difference": float(measured.hits[first].mean() - measured.hits[second].mean()),
                "low": float(low),
                "high": float(high),
                "p": min(1.0, max(2 * float(beyond), 1 / len(between))),
            }
        )
    for row, corrected in zip(rows, holm(np.array([float(row["p"]) for row in rows])), strict=True):
        row["p_holm"] = float(corrected)
    return rows
