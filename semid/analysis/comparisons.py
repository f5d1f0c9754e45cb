"""`results/comparisons.csv`: every pair of tokenizers of a run, compared on the same users."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import torch

from semid.analysis.paired_tests import PairedDifferences, holm, paired_differences
from semid.evaluation.files import BenchmarkOptions, open_queries
from semid.evaluation.queries import Queries
from semid.evaluation.ranks_file import RanksFile
from semid.evaluation.settings import EvaluationSettings
from semid.evaluation.table import write_table
from semid.evaluation.target_ranks import Ranking, Ranks
from semid.naming import TokenizerName
from semid.progress import Progress

Row = dict[str, str | int | float]

COMPARED_METRICS = ("recall@10", "ndcg@10")
COMPARISON_COLUMNS = (
    "dataset",
    "candidates",
    "budget",
    "rerank",
    "metric",
    "tokenizer_a",
    "tokenizer_b",
    "seeds_a",
    "seeds_b",
    "users",
    "avg_cand_size_a",
    "avg_cand_size_b",
    "mean_a",
    "mean_b",
    "difference",
    "low",
    "high",
    "p",
    "p_holm",
)
# The p values of all rows that agree in these columns are corrected together.
FAMILY = ("dataset", "candidates", "budget", "metric")


def comparison_rows(
    dataset: str,
    tokenizers: Mapping[str, Sequence[RanksFile]],
    queries: Queries,
    settings: EvaluationSettings,
) -> list[Row]:
    """Return the rows of `comparisons.csv`: every pair of tokenizers under every strategy that both have.

    tokenizers: by name, the files of ranks of all seeds, all for `queries`; settings: `resamples`, `permutations` and
    `seed` are read. A user's metric is the mean over the user's queries, then over the seeds, so that `mean_a` is a
    mean over users, whereas the recall of the table is a mean over queries. The least p is 1 / (permutations + 1):
    in a family of more than permutations / 20 pairs no corrected p can reach 0.05, unless `permutations` is raised.
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
    strategy: Ranking,
    tokenizers: Mapping[str, Sequence[RanksFile]],
    user: np.ndarray,
    settings: EvaluationSettings,
) -> list[Row]:
    means = SeedMeans.of({name: [(file, strategy) for file in files] for name, files in tokenizers.items()}, user)
    differences = paired_differences(means.values, settings.resamples, settings.permutations, settings.seed)
    return [
        means.pair_row(column, pair, places, differences)
        for column in range(len(COMPARED_METRICS))
        for pair, places in enumerate(combinations(range(len(tokenizers)), 2))
    ]


@dataclass(frozen=True, eq=False)
class SeedMeans:
    """What is compared of n subjects: means over the files of ranks of a subject, one for each of its seeds.

    seeds: by the name of a subject, how many there are; values: float64 [users, n, metrics], the means of users; sizes:
    float64 [n], the mean number of candidates.
    """

    seeds: Mapping[str, int]
    values: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, subjects: Mapping[str, Sequence[tuple[RanksFile, Ranking]]], user: np.ndarray) -> Self:
        """Read ranks, one file at a time; user: integers [queries], counted from 0."""
        values = np.zeros((int(user.max()) + 1, len(subjects), len(COMPARED_METRICS)))
        sizes = np.zeros(len(subjects))
        for number, files in enumerate(subjects.values()):
            for file, ranking in files:
                ranks = file.read(ranking)
                sizes[number] += ranks.size.mean() / len(files)
                values[:, number] += user_means(ranks, user) / len(files)
        return cls({name: len(files) for name, files in subjects.items()}, values, sizes)

    @cached_property
    def means(self) -> np.ndarray:
        """float64 [n, metrics]: the means over users."""
        return self.values.mean(axis=0)

    def pair_row(self, column: int, pair: int, places: tuple[int, int], differences: PairedDifferences) -> Row:
        """Return what is said of two subjects by a metric; `pair` is their row among the differences of all pairs."""
        names = list(self.seeds)
        a, b = places
        return {
            "metric": COMPARED_METRICS[column],
            "tokenizer_a": names[a],
            "tokenizer_b": names[b],
            "seeds_a": self.seeds[names[a]],
            "seeds_b": self.seeds[names[b]],
            "users": len(self.values),
            "avg_cand_size_a": float(self.sizes[a]),
            "avg_cand_size_b": float(self.sizes[b]),
            "mean_a": float(self.means[a, column]),
            "mean_b": float(self.means[b, column]),
            "difference": float(differences.difference[pair, column]),
            "low": float(differences.low[pair, column]),
            "high": float(differences.high[pair, column]),
            "p": float(differences.p[pair, column]),
        }


def group_seeds(names: Iterable[str]) -> dict[str, list[str]]:
    """Return names of tokenizers by the name that they have without their seed, in the order given."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(TokenizerName.parse(name).with_seed(0).name, []).append(name)
    return groups


def open_ranks(names: Sequence[str], paths: Sequence[str], num_queries: int) -> dict[str, list[RanksFile]]:
    """Open the files of ranks of several tokenizers, and group them as :func:`group_seeds` groups their names.

    Raises InputError for a file that does not have ranks of `num_queries` queries.
    """
    files = {name: RanksFile.open(path, num_queries) for name, path in zip(names, paths, strict=True)}
    return {name: [files[seed] for seed in seeds] for name, seeds in group_seeds(files).items()}


def user_means(ranks: Ranks, user: np.ndarray) -> np.ndarray:
    """Return float64 [users, metrics]: each metric's mean over a user's queries; user: integers [queries] from 0 on."""
    queries = np.bincount(user)
    return np.column_stack([np.bincount(user, weights=ranks.metric(metric)) / queries for metric in COMPARED_METRICS])


class ComparedFiles(Protocol):
    """What is compared: the split tables, in one folder, and the `ranks.parquet` of each tokenizer."""

    splits: Sequence[str]
    ranks: Sequence[str]


def write_comparisons(
    names: Sequence[str], files: ComparedFiles, options: BenchmarkOptions, path: str | Path, threads: int = 1
) -> None:
    """Compare the tokenizers of these names from their files, in the same order, and write `comparisons.csv`."""
    torch.set_num_threads(threads)
    settings = EvaluationSettings(**options.settings)
    queries, _ = open_queries(files.splits, settings)
    tokenizers = open_ranks(names, files.ranks, len(queries))
    write_table(comparison_rows(options.dataset, tokenizers, queries, settings), path, COMPARISON_COLUMNS)
