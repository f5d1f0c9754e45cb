"""Paired comparisons: is one tokenizer better than another on the same users, or is it chance?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch

from semid.evaluation.bootstrap import interval_ends, resampled_sums
from semid.evaluation.metrics import expected_metric
from semid.evaluation.queries import Queries
from semid.evaluation.ranks import Ranks, RanksFile, Strategy
from semid.evaluation.settings import EvaluationSettings
from semid.naming import TokenizerName
from semid.progress import Progress

Row = dict[str, str | int | float]

COMPARED_METRICS = ("recall@10", "ndcg@10")
COMPARISON_COLUMNS = (
    *("dataset", "candidates", "budget", "rerank", "metric", "tokenizer_a", "tokenizer_b", "seeds_a", "seeds_b"),
    *("users", "avg_cand_size_a", "avg_cand_size_b", "mean_a", "mean_b", "difference", "low", "high", "p", "p_holm"),
)
# p values are corrected over all rows that agree in these
FAMILY = ("dataset", "candidates", "budget", "metric")
# signs held at once: 3 MB, which stay in the cache
USERS_AT_ONCE = 384
FLIPS_AT_ONCE = 1024
# sums that differ by less than this share of what was added up are equal but for rounding
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class PairedDifferences:
    """What :func:`paired_differences` finds for tokenizers (0, 1), (0, 2), …, (1, 2), …: float64 [pairs, metrics].

    difference: the mean of the first less that of the second; low, high: its 95 % interval; p: two-sided.
    """

    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray


def comparison_rows(
    dataset: str,
    tokenizers: Mapping[str, Sequence[RanksFile]],
    queries: Queries,
    settings: EvaluationSettings,
) -> list[Row]:
    """Rows of `results/comparisons.csv`: every pair of tokenizers under every strategy that both have.

    tokenizers: by name, the files of each one's seeds, all of `queries`. settings: `resamples`, `permutations` and
    `seed` are read. A user's metric is the mean over the user's queries, then over the seeds; so `mean_a` is a mean
    over users, and the table's recall one over queries. The least p is 1 / (permutations + 1): in a family of more
    than permutations / 20 pairs no corrected one can reach 0.05.
    """
    user = np.unique(queries.user, return_inverse=True)[1]
    strategies = dict.fromkeys(
        strategy for files in tokenizers.values() for file in files for strategy in file.strategies
    )
    rows: list[Row] = []
    with Progress(len(strategies), f"compare on {dataset}", "strategies") as progress:
        for strategy in strategies:
            holding = {
                name: [file for file in files if strategy in file.strategies] for name, files in tokenizers.items()
            }
            holding = {name: files for name, files in holding.items() if files}
            if len(holding) > 1:
                compared = _compare(strategy, holding, user, settings)
                rows += [{"dataset": dataset, **strategy._asdict(), **row} for row in compared]
            progress.update(1)
    families: dict[tuple[str | int | float, ...], list[Row]] = {}
    for row in rows:
        families.setdefault(tuple(row[column] for column in FAMILY), []).append(row)
    for family in families.values():
        for row, p in zip(family, holm(np.array([row["p"] for row in family])).tolist(), strict=True):
            row["p_holm"] = p
    return rows


def _compare(
    strategy: Strategy,
    tokenizers: Mapping[str, Sequence[RanksFile]],
    user: np.ndarray,
    settings: EvaluationSettings,
) -> list[Row]:
    # all that is held of the ranks
    values = np.zeros((int(user.max()) + 1, len(tokenizers), len(COMPARED_METRICS)))
    sizes = np.zeros(len(tokenizers))
    for number, files in enumerate(tokenizers.values()):
        for file in files:
            ranks = file.read(strategy)
            sizes[number] += ranks.size.mean() / len(files)
            values[:, number] += user_means(ranks, user) / len(files)
    found = paired_differences(values, settings.resamples, settings.permutations, settings.seed)
    means = values.mean(axis=0)
    rows: list[Row] = []
    for column, metric in enumerate(COMPARED_METRICS):
        for pair, ((a, name_a), (b, name_b)) in enumerate(combinations(enumerate(tokenizers), 2)):
            rows.append(
                {
                    "metric": metric,
                    "tokenizer_a": name_a,
                    "tokenizer_b": name_b,
                    "seeds_a": len(tokenizers[name_a]),
                    "seeds_b": len(tokenizers[name_b]),
                    "users": len(values),
                    "avg_cand_size_a": float(sizes[a]),
                    "avg_cand_size_b": float(sizes[b]),
                    "mean_a": float(means[a, column]),
                    "mean_b": float(means[b, column]),
                    "difference": float(found.difference[pair, column]),
                    "low": float(found.low[pair, column]),
                    "high": float(found.high[pair, column]),
                    "p": float(found.p[pair, column]),
                }
            )
    return rows


def group_seeds(names: Iterable[str]) -> dict[str, list[str]]:
    """Names of tokenizers by the name that they have without their seed, in the order given."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(TokenizerName.parse(name).with_seed(0).name, []).append(name)
    return groups


def open_ranks(names: Sequence[str], paths: Sequence[str], num_queries: int) -> dict[str, list[RanksFile]]:
    """The files of ranks of several tokenizers, those of one tokenizer's seeds together, as :func:`group_seeds` has it.

    Raises InputError for a file that is not of `num_queries` queries.
    """
    files = {name: RanksFile.open(path, num_queries) for name, path in zip(names, paths, strict=True)}
    return {name: [files[seed] for seed in seeds] for name, seeds in group_seeds(files).items()}


def user_means(ranks: Ranks, user: np.ndarray) -> np.ndarray:
    """float64 [users, metrics]: each metric's mean over a user's queries; user: integers [queries], 0 … n − 1."""
    queries = np.bincount(user)
    return np.column_stack(
        [
            np.bincount(user, weights=expected_metric(metric, ranks.greater, ranks.equal, ranks.found)) / queries
            for metric in COMPARED_METRICS
        ]
    )


def paired_differences(
    values: np.ndarray, resamples: int = 1000, permutations: int = 10_000, seed: int = 0
) -> PairedDifferences:
    """Compare every pair of tokenizers by `values`, float64 [users, tokenizers, metrics], on the same users.

    The interval is that of the bootstrap over users. p is that of the sign-flip permutation test: under the hypothesis
    that the two could be exchanged, a user's difference is as likely to have the other sign; with `m` random sets of
    signs, `b` of which give a sum at least as far from 0, p = (b + 1) / (m + 1) (Phipson and Smyth, "Permutation
    p-values should never be zero", 2010). All pairs share the resamples and the signs: the sum for a pair is then the
    difference of two sums, and only these grow with the users.
    """
    shape = values.shape[1:]
    columns = values.reshape(len(values), -1)
    resampled = resampled_sums(columns, resamples, seed).reshape(resamples, *shape) / len(values)
    flipped = _flipped_sums(columns, permutations, seed).reshape(permutations, *shape)
    sums, added = values.sum(axis=0), np.abs(values).sum(axis=0)
    pairs = list(combinations(range(shape[0]), 2))
    ends = np.empty((2, len(pairs), shape[1]))
    extreme = np.empty((len(pairs), shape[1]))
    for pair, (a, b) in enumerate(pairs):
        between = np.quantile(resampled[:, a] - resampled[:, b], interval_ends(0.95), axis=0)
        # tokenizers with the same ranks differ by 0, though their columns are not added up in one order
        ends[:, pair] = np.where(np.abs(between) < ROUNDING, 0, between)
        least = np.abs(sums[a] - sums[b]) - ROUNDING * (added[a] + added[b])
        extreme[pair] = (np.abs(flipped[:, a] - flipped[:, b]) >= least).sum(axis=0)
    first, second = np.triu_indices(shape[0], 1)
    difference = (sums[first] - sums[second]) / len(values)
    return PairedDifferences(difference, ends[0], ends[1], (extreme + 1) / (permutations + 1))


def _flipped_sums(values: np.ndarray, flips: int, seed: int) -> np.ndarray:
    """float64 [flips, columns]: sums over users, a user's row with one random sign."""
    values = values[values.any(axis=1)]
    rng = np.random.default_rng(seed)
    plus = torch.zeros(values.shape[1], flips, dtype=torch.float64)
    for start in range(0, len(values), USERS_AT_ONCE):
        block = torch.from_numpy(values[start : start + USERS_AT_ONCE].T.astype(np.float64))
        for first in range(0, flips, FLIPS_AT_ONCE):
            rows = slice(first, min(first + FLIPS_AT_ONCE, flips))
            bits = rng.integers(256, size=(rows.stop - first, USERS_AT_ONCE // 8), dtype=np.uint8)
            signs = torch.from_numpy(np.unpackbits(bits, axis=1, count=block.shape[1])).to(torch.float64)
            plus[:, rows].addmm_(block, signs.t())
    return 2 * plus.t().numpy() - values.sum(axis=0)


def holm(p: np.ndarray) -> np.ndarray:
    """float64 [tests]: p values of one family, corrected (Holm, "A simple sequentially rejective multiple test
    procedure", 1979)."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(np.minimum(p[order] * np.arange(len(p), 0, -1), 1))
    return adjusted
