"""Paired tests between generators: on other IDs, against those that know none, and between rankings of one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import torch

from semid.analysis.comparisons import COMPARED_METRICS, COMPARISON_COLUMNS, ComparedFiles, Row, SeedMeans
from semid.analysis.paired_tests import holm, paired_differences
from semid.evaluation.files import BenchmarkOptions, open_queries
from semid.evaluation.queries import Queries
from semid.evaluation.ranks_file import RanksFile
from semid.evaluation.settings import EvaluationSettings
from semid.evaluation.table import write_table
from semid.evaluation.target_ranks import Ranking
from semid.generator_names import GeneratorName
from semid.naming import TokenizerName
from semid.progress import Progress

# What stands under `candidates` in rows of generators; `rerank` says whether seen items are removed or kept.
CANDIDATES = "generator"


@dataclass(frozen=True)
class Compared:
    """A ranking of a generator, without the seeds over which its metrics are averaged."""

    tokenizer: str
    generator: str
    ranking: str

    @classmethod
    def of_folder(cls, folder: str, ranking: str) -> "Compared":
        """Take apart the folder of a generator below that of the dataset, such as `rqkmeans_4x256-s1/generator`."""
        tokenizer, _, generator = folder.rpartition("/")
        name = TokenizerName.parse(tokenizer).with_seed(0).name if tokenizer else ""
        return cls(name, GeneratorName.parse(generator).without_seed, ranking)

    @property
    def name(self) -> str:
        """Folder and ranking, such as `rqkmeans_4x256/generator:hybrid`."""
        return "/".join(filter(None, [self.tokenizer, f"{self.generator}:{self.ranking}"]))

    def is_tested_against(self, other: "Compared") -> bool:
        """Whether a test says something: one thing alone differs, or one of the two knows no IDs."""
        differing = sum(getattr(self, name) != getattr(other, name) for name in ("tokenizer", "generator", "ranking"))
        return differing == 1 or not self.tokenizer or not other.tokenizer


def generator_comparison_rows(
    dataset: str, generators: Mapping[str, RanksFile], queries: Queries, settings: EvaluationSettings
) -> list[Row]:
    """Return rows of `comparisons.csv`: pairs of rankings of generators that :meth:`Compared.is_tested_against` names.

    generators: by their folders, the files of ranks, all for `queries`; settings: `resamples`, `permutations` and
    `seed` are read. A user's metric is the mean over the queries of a user, then over the seeds. The p values of a
    metric and a mode of seen items are corrected together.
    """
    user = np.unique(queries.user, return_inverse=True)[1]
    modes = dict.fromkeys(ranking.rerank for file in generators.values() for ranking in file.strategies)
    rows: list[Row] = []
    with Progress(len(modes), f"compare generators on {dataset}", "modes") as progress:
        for mode in modes:
            holding: dict[Compared, list[tuple[RanksFile, Ranking]]] = {}
            for folder, file in generators.items():
                for ranking in file.strategies:
                    if ranking.rerank == mode:
                        compared = Compared.of_folder(folder, ranking.candidates)
                        holding.setdefault(compared, []).append((file, ranking))
            if len(holding) > 1:
                place: Row = {"dataset": dataset, "candidates": CANDIDATES, "budget": 0, "rerank": mode}
                rows += [{**place, **row} for row in _compare(holding, user, settings)]
            progress.update(1)
    return rows


def _compare(
    generators: Mapping[Compared, Sequence[tuple[RanksFile, Ranking]]], user: np.ndarray, settings: EvaluationSettings
) -> list[Row]:
    means = SeedMeans.of({compared.name: files for compared, files in generators.items()}, user)
    differences = paired_differences(means.values, settings.resamples, settings.permutations, settings.seed)
    names = list(generators)
    pairs = list(combinations(range(len(names)), 2))
    tested = [number for number, (a, b) in enumerate(pairs) if names[a].is_tested_against(names[b])]
    rows: list[Row] = []
    for column in range(len(COMPARED_METRICS)):
        corrected = holm(differences.p[tested, column]).tolist()
        rows += [
            {**means.pair_row(column, number, pairs[number], differences), "p_holm": p}
            for number, p in zip(tested, corrected, strict=True)
        ]
    return rows


def write_generator_comparisons(
    folders: Sequence[str], files: ComparedFiles, options: BenchmarkOptions, path: str | Path, threads: int = 1
) -> None:
    """Compare the generators in these folders from their files, in the same order, and write their comparisons."""
    torch.set_num_threads(threads)
    settings = EvaluationSettings(**options.settings)
    queries, _ = open_queries(files.splits, settings)
    generators = {folder: RanksFile.open(file, len(queries)) for folder, file in zip(folders, files.ranks, strict=True)}
    rows = generator_comparison_rows(options.dataset, generators, queries, settings)
    write_table(rows, path, COMPARISON_COLUMNS)
