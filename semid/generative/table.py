"""The evaluation stage of a generator: rows of its table, ranks and slices."""

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from semid.analysis.generative_table import GENERATIVE_COLUMNS, GENERATIVE_SLICE_COLUMNS, KEPT, REMOVED
from semid.analysis.slices import query_slices, slice_rows
from semid.errors import InputError
from semid.evaluation.benchmark import Benchmark, Row
from semid.evaluation.benchmark import Catalogue as RankedItems
from semid.evaluation.costs import charge
from semid.evaluation.files import BenchmarkOptions
from semid.evaluation.queries import build_queries
from semid.evaluation.ranks_file import write_ranks
from semid.evaluation.settings import EvaluationSettings
from semid.evaluation.table import write_table
from semid.evaluation.target_ranks import Ranking, Ranks
from semid.generative.evaluation import GeneratorEvaluation, Outcome, user_states
from semid.generative.files import (
    ON_CPU,
    Catalogue,
    GeneratorCompute,
    GeneratorFiles,
    GeneratorPlace,
    open_catalogue,
    open_interactions,
    validation_queries,
)
from semid.generative.greedy import greedy_codes, name_items
from semid.generative.saved import SavedGenerator, read_generator
from semid.generative.validation import Beta, best_beta
from semid.generator_names import GeneratorName
from semid.naming import TokenizerName
from semid.statistics.entropy import gini

# The metric that is also counted among codes.
CODE_METRIC = "recall@10"
# Whether seen items are candidates, by its name in the table.
MODES = {REMOVED: True, KEPT: False}


class EvaluatedFiles(GeneratorFiles, Protocol):
    """What the evaluation of a generator reads: its model, in its folder, and the history of its training."""

    model: str
    history: str


class GeneratorPaths(Protocol):
    """Where the rows, the ranks and the slices of a generator are written."""

    table: str
    ranks: str
    slices: str


@dataclass(frozen=True, eq=False)
class GeneratorBenchmark:
    """A generator, and what it is evaluated on.

    beta: the weight of `hybrid`, None for a generator without it; columns: those of the table that all rows share.
    """

    saved: SavedGenerator
    catalogue: Catalogue
    benchmark: Benchmark
    beta: Beta | None
    columns: Row

    def evaluation(self, benchmark: Benchmark, mode: str, depth: int = 0) -> GeneratorEvaluation:
        """Return the evaluation of the queries of a benchmark with seen items removed or kept."""
        betas = () if self.beta is None else (self.beta.value,)
        model, index = self.saved.model, self.catalogue.index
        return GeneratorEvaluation(model, benchmark.queries, index, betas, depth, MODES[mode])

    def ranks(self, mode: str, depth: int) -> tuple[dict[str, Ranks], Outcome]:
        """Rank all queries by every ranking, and charge each ranking for what it takes alone."""
        outcome = self.evaluation(self.benchmark, mode, depth).outcome()
        for name, ranks in outcome.ranks.items():
            charge(ranks, self.benchmark, self._alone(name, mode))
        return {name.partition(":")[0]: ranks for name, ranks in outcome.ranks.items()}, outcome

    def _alone(self, name: str, mode: str) -> Callable[[Benchmark], Ranks]:
        def rank(part: Benchmark) -> Ranks:
            evaluation = replace(self.evaluation(part, mode), rankings=(name.partition(":")[0],))
            return evaluation.outcome().ranks[name]

        return rank

    def rows(self, mode: str, invalid_share: float | None) -> tuple[list[Row], dict[str, Ranks]]:
        """Return a row for each ranking, and the ranks behind it."""
        depth = self.benchmark.empty_ranks().depth
        by_ranking, outcome = self.ranks(mode, depth)
        rows = []
        for ranking, ranks in by_ranking.items():
            row = {**self.benchmark.outcome_row(ranks), **self.columns, "ranking": ranking, "seen": mode}
            exposures = np.bincount(ranks.lists[ranks.lists >= 0], minlength=self.catalogue.num_items)
            row["gini_exposure@10"] = gini(exposures)
            if ranking != "dense":
                row["beam"] = self.saved.model.settings.beam
            if ranking == "hybrid" and self.beta is not None:
                row["beta"] = self.beta.value
            if ranking == "generate" and invalid_share is not None:
                row["exact_share"] = float(outcome.certain.mean())
                row["invalid_share"] = invalid_share
                row |= _among_codes(outcome.codes, ranks)
            rows.append({name: row[name] for name in GENERATIVE_COLUMNS if name in row})
        return rows, by_ranking

    def invalid_share(self) -> float | None:
        """Return the share of queries whose greedy codes name no item; None for a generator that writes no codes."""
        model, index = self.saved.model, self.catalogue.index
        if model.heads is None or index is None:
            return None
        codes = greedy_codes(model.heads, user_states(model, self.benchmark.queries))
        return float(1 - name_items(index, codes).mean())


def _among_codes(codes: Ranks, items: Ranks) -> Row:
    """Return the metric that counts a code as a hit whichever item has it, and how many times the true one it is."""
    among_codes, among_items = (float(ranks.metric(CODE_METRIC).mean()) for ranks in (codes, items))
    columns: Row = {"recall_sid@10": among_codes}
    return columns | ({"recall_sid@10_inflation": among_codes / among_items} if among_items else {})


def open_generator(
    place: GeneratorPlace, files: EvaluatedFiles, options: BenchmarkOptions, device: torch.device
) -> GeneratorBenchmark:
    """Open a generator and its queries, and choose the weight of `hybrid` on the validation split.

    Raises `InputError` for files and settings that cannot be used.
    """
    settings = EvaluationSettings(**options.settings)
    catalogue, core = open_catalogue(place, files)
    saved = read_generator(Path(files.model).parent, catalogue)
    saved.model.to(device)
    interactions = open_interactions(files, core, "test")
    queries = build_queries(interactions, settings.split, settings.max_users, settings.seed)
    n = catalogue.num_items
    # nothing is ranked by the embeddings of items here
    items = RankedItems(np.empty((n, 0), np.float32), np.arange(n), interactions.training_counts(n))
    benchmark = Benchmark(options.dataset, queries, items, settings, options.note)
    validation = validation_queries(place, interactions, saved.model.settings)
    beta = best_beta(GeneratorEvaluation(saved.model, validation, catalogue.index).outcome())
    columns = _columns(place, saved, catalogue, _training_seconds(files.history))
    return GeneratorBenchmark(saved, catalogue, benchmark, beta, columns)


def write_generator_evaluation(
    place: GeneratorPlace,
    files: EvaluatedFiles,
    options: BenchmarkOptions,
    paths: GeneratorPaths,
    compute: GeneratorCompute = ON_CPU,
) -> None:
    """Evaluate a generator from its files, and write `generative_eval.csv`, `ranks.parquet` and `slices.csv`."""
    opened = open_generator(place, files, options, compute.begin())
    queries, settings = opened.benchmark.queries, opened.benchmark.settings
    slices = query_slices(queries, opened.benchmark.items.training_counts)
    invalid_share = opened.invalid_share()
    rows: list[Row] = []
    sliced: list[Row] = []
    ranks: dict[Ranking, Ranks] = {}
    for mode in MODES:
        of_mode, by_ranking = opened.rows(mode, invalid_share)
        rows += of_mode
        ranks |= {Ranking(ranking, 0, mode): ranked for ranking, ranked in by_ranking.items()}
        for row, ranked in zip(of_mode, by_ranking.values(), strict=True):
            whose = {column: row[column] for column in GENERATIVE_SLICE_COLUMNS[:6]}
            parts = slice_rows(queries, slices, ranked, settings.resamples, settings.seed)
            sliced += [{**whose, **part} for part in parts]
    write_ranks(paths.ranks, ranks)
    write_table(sliced, paths.slices, GENERATIVE_SLICE_COLUMNS)
    write_table(rows, paths.table, GENERATIVE_COLUMNS)


def _columns(place: GeneratorPlace, saved: SavedGenerator, catalogue: Catalogue, seconds: float) -> Row:
    model = saved.model
    columns: Row = {
        "tokenizer": place.tokenizer,
        "generator": place.generator,
        "history": model.settings.history,
        "epochs": saved.fitted["epochs"],
        "epoch_kept": saved.fitted["epoch_kept"],
        "train_seconds": seconds,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "device": saved.metadata["device"],
        "seed": GeneratorName.parse(place.generator).seed,
    }
    if catalogue.index is None:
        return columns
    of_tokenizer = TokenizerName.parse(place.tokenizer).with_sizes(catalogue.sizes)
    return columns | {
        "method": of_tokenizer.method,
        "variant": of_tokenizer.variant,
        "num_levels": of_tokenizer.num_levels,
        "codebook_size": of_tokenizer.codebook_size,
        "bits": of_tokenizer.bits,
        "entropy_bits": catalogue.index.entropy_bits(),
    }


def _training_seconds(path: str | Path) -> float:
    """Return the seconds of all epochs, measuring included, from the `training.csv` of a generator."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return sum(float(row["seconds"]) for row in csv.DictReader(file))
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        raise InputError(f"{path} is not the history of a generator ({error!r}): train it again") from error
