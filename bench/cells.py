"""Gather what config/sweep.yaml made into the tables of docs/findings/: a row a cell, a pair, a correlation."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from bench.sweep import ABLATED, ablations, cells
from bench.two_levels import Measured, Row, Spread, pair_rows, value_rows
from semid.analysis.paired_tests import holm
from semid.analysis.proxies import means_over_seeds, rank_correlation, scorecard_figures
from semid.errors import InputError
from semid.evaluation.ranks_file import RanksFile
from semid.evaluation.table import write_table
from semid.evaluation.target_ranks import Ranking
from semid.generator_names import GeneratorName
from semid.naming import TokenizerName
from semid.progress import Progress
from semid.scorecard.card import Scorecard
from semid.scorecard.table import ScorecardRow

# what is measured of a cell: the ranking of its file of ranks, by the name in the tables
RETRIEVAL = {"retrieval": Ranking("probe", 100, "exact")}
GENERATION = {"generate": Ranking("generate", 0, "removed"), "dense": Ranking("dense", 0, "removed")}
METRIC = "recall@10"
RESAMPLES = 10_000

SCORED = ("method", "bits", "unique_codes", "items_in_collisions", "largest_bucket", "relative_error", "perplexity")
PAIR_COLUMNS = ("dataset", "measure", "first", "second", "difference", "low", "high", "p", "p_holm")
# of each table, by the name of its file
COLUMNS: dict[str, tuple[str, ...]] = {
    "tokenizers": ("dataset", "tokenizer", "trainings", "items", *SCORED),
    "values": ("dataset", "measure", "subject", "trainings", "users", "mean", "low", "high", "lowest", "highest"),
    "pairs": PAIR_COLUMNS,
    "foretold": ("dataset", "measure", "tokenizers", "which", "figure", "spearman", "p", "p_holm"),
    "ablations": PAIR_COLUMNS,
    "spreads": ("dataset", "measure", "deviation", "degrees"),
    "missing": ("dataset", "cell"),
}


def ablation_rows(folder: Path, changed: Sequence[str], pooled: Mapping[str, Spread]) -> list[Row]:
    """Return a row for each generator with one option changed: the difference to the one that it is changed from.

    Both are the first training, on the same codes. pooled: by measure, how trainings differ. A generator without an
    item head, or without code heads, has a row under one measure alone.
    """
    rows: list[Row] = []
    for measure, ranking in GENERATION.items():
        having = [name for name in changed if ranking in _open(folder / name / "ranks.parquet").strategies]
        pairs = [(name, f"{name.split('/')[0]}/generator-small") for name in having]
        pairs = [(name, base) for name, base in pairs if (folder / base / "ranks.parquet").exists()]
        if pairs:
            subjects = dict.fromkeys(subject for pair in pairs for subject in pair)
            here = _measured(folder, {subject: [subject] for subject in subjects}, ranking)
            drawn = here.resampled(pooled[measure], RESAMPLES, seed=0)
            rows += [{"dataset": folder.name, "measure": measure, **row} for row in pair_rows(here, drawn, pairs)]
    return rows


def _open(path: Path) -> RanksFile:
    """Open a file of ranks in which each user has one query; the first row group says how many there are."""
    if not path.exists():
        raise InputError(f"{path} does not exist: run the part of the sweep that makes it (python -m bench.sweep)")
    return RanksFile.open(path, pq.read_metadata(path).row_group(0).num_rows)


def _measured(folder: Path, by_subject: Mapping[str, Sequence[str]], ranking: Ranking) -> Measured:
    hits = {
        subject: np.stack([_open(folder / place / "ranks.parquet").read(ranking).metric(METRIC) for place in places])
        for subject, places in by_subject.items()
    }
    return Measured(hits)


def without_seed(folder: str) -> str:
    """Return the subject of a folder: the tokenizer and the generator without the seeds of their trainings."""
    tokenizer, _, generator = folder.rpartition("/")
    if not tokenizer and folder.startswith("sasrec"):
        return GeneratorName.parse(folder).without_seed
    if not generator.startswith("generator"):
        return TokenizerName.parse(folder).with_seed(0).name
    return f"{TokenizerName.parse(tokenizer).with_seed(0).name}/{GeneratorName.parse(generator).without_seed}"


def _by_subject(folders: Sequence[str]) -> dict[str, list[str]]:
    subjects: dict[str, list[str]] = {}
    for folder in folders:
        subjects.setdefault(without_seed(folder), []).append(folder)
    return subjects


def _subjects(folders: Sequence[str], measure: str) -> dict[str, list[str]]:
    """Those that have the measure: a model without IDs writes none."""
    return _by_subject([folder for folder in folders if measure != "generate" or not folder.startswith("sasrec")])


def tokenizer_rows(folder: Path, tokenizers: Sequence[str]) -> tuple[list[Row], dict[str, dict[str, float]]]:
    """Return a row a tokenizer, means over its trainings, and all figures of its scorecards by its name."""
    cards = {name: _scorecard(folder / name / "scorecard.json") for name in tokenizers}
    figures = means_over_seeds({name: scorecard_figures(card) for name, card in cards.items()})
    rows: list[Row] = []
    for subject, places in _by_subject(tokenizers).items():
        first = cards[places[0]]
        means = {name: f"{figures[subject][name]:.6g}" for name in SCORED if name in figures[subject]}
        row: Row = {"dataset": folder.name, "tokenizer": subject, "trainings": len(places), "items": first["items"]}
        rows.append(row | {name: first[name] for name in SCORED} | means)
    return rows, figures


def _scorecard(path: Path) -> dict[str, str]:
    """Return the row of a scorecard as tokenizers.csv of a run has it, with values as text."""
    return {name: str(value) for name, value in ScorecardRow.of(Scorecard.read(path)).cells().items()}


def foretold_rows(figures: Mapping[str, Mapping[str, float]], values: Mapping[str, float], seed: int = 0) -> list[Row]:
    """Return the rank correlation of each figure of tokenizers with what was measured of them.

    Once over all tokenizers, and once over those whose codes are made of the items' embeddings: IDs dealt at random and
    paths of categories are extreme in most figures. The p values of one measure are corrected over the figures.
    """
    made = [name for name in values if not name.startswith(("random", "category", "external"))]
    rows: list[Row] = []
    for which, names in (("all", list(values)), ("of embeddings", made)):
        of_which: list[Row] = []
        for figure in dict.fromkeys(figure for name in names for figure in figures[name]):
            known = [name for name in names if figure in figures[name]]
            correlation = rank_correlation(
                np.array([figures[name][figure] for name in known]), np.array([values[name] for name in known]), seed
            )
            if correlation:
                of_which.append({"tokenizers": len(known), "which": which, "figure": figure, **correlation._asdict()})
        corrected = holm(np.array([float(row["p"]) for row in of_which]))
        rows += [{**row, "p_holm": float(p)} for row, p in zip(of_which, corrected, strict=True)]
    return rows


def of_results(results: Path) -> tuple[dict[str, tuple[list[str], list[str]]], list[str], list[Row]]:
    """Return the cells of the matrix and the ablations that have results, and a row for each that has none."""
    missing: list[Row] = []

    def there(dataset: str, folder: str) -> bool:
        is_there = (results / dataset / folder / "ranks.parquet").exists()
        if not is_there:
            missing.append({"dataset": dataset, "cell": folder})
        return is_there

    matrix = {
        dataset: ([name for name in names if there(dataset, name)], [name for name in made if there(dataset, name)])
        for dataset, (names, made) in cells().items()
    }
    return matrix, [folder for folder in ablations() if there(ABLATED, folder)], missing


def gather(results: Path, out: Path) -> None:
    """Read the results of all cells, and write the tables into a folder; missing.csv names cells without results.

    Raises InputError where no cell of a dataset has results, or a file cannot be used.
    """
    matrix, changed, missing = of_results(results)
    for dataset, of_dataset in matrix.items():
        if not all(of_dataset):
            raise InputError(
                f"{results}/{dataset} has no results of the sweep: run its parts first (python -m bench.sweep)"
            )
    tokenizers: list[Row] = []
    foretold: list[Row] = []
    measured: dict[tuple[str, str], Measured] = {}
    figures: dict[str, dict[str, dict[str, float]]] = {}
    with Progress(len(matrix), "gather the sweep", "datasets") as progress:
        for dataset, (names, generators) in matrix.items():
            folder = results / dataset
            rows, figures[dataset] = tokenizer_rows(folder, names)
            tokenizers += rows
            for measure, ranking in RETRIEVAL.items():
                measured[dataset, measure] = _measured(folder, _by_subject(names), ranking)
            for measure, ranking in GENERATION.items():
                measured[dataset, measure] = _measured(folder, _subjects(generators, measure), ranking)
            progress.update(1)
    # one dataset has repeated trainings, and stands in for the others
    pooled = {measure: here.pooled for (dataset, measure), here in measured.items() if dataset == ABLATED}
    values: list[Row] = []
    pairs: list[Row] = []
    for (dataset, measure), here in measured.items():
        drawn = here.resampled(pooled[measure], RESAMPLES, seed=0)
        place: Row = {"dataset": dataset, "measure": measure}
        values += [place | row for row in value_rows(here, drawn)]
        pairs += [place | row for row in pair_rows(here, drawn)]
        known = _of_tokenizers(here, figures[dataset])
        foretelling = figures[dataset]
        if measure not in RETRIEVAL:
            foretelling = _with_retrieval(foretelling, measured, dataset)
        foretold += [place | row for row in foretold_rows(foretelling, known)]
    spreads: list[Row] = [
        {"dataset": ABLATED, "measure": measure, "deviation": spread.variance**0.5, "degrees": spread.degrees}
        for measure, spread in pooled.items()
    ]
    tables = {"tokenizers": tokenizers, "values": values, "pairs": pairs, "foretold": foretold}
    tables |= {"ablations": ablation_rows(results / ABLATED, changed, pooled), "spreads": spreads, "missing": missing}
    for name, rows in tables.items():
        write_table(rows, out / f"{name}.csv", COLUMNS[name])


def _of_tokenizers(measured: Measured, figures: Mapping[str, object]) -> dict[str, float]:
    """Return what was measured of tokenizers by their names, of generators that of `generator-small`."""
    found = {subject.removesuffix("/generator-small"): float(rows.mean()) for subject, rows in measured.hits.items()}
    return {name: value for name, value in found.items() if name in figures}


def _with_retrieval(
    figures: Mapping[str, Mapping[str, float]], measured: Mapping[tuple[str, str], Measured], dataset: str
) -> dict[str, dict[str, float]]:
    """Return the figures of scorecards with the recall at 100 candidates as one more."""
    recalls = measured[dataset, "retrieval"].hits
    return {
        name: {**known, "recall@10 of 100 candidates": float(recalls[name].mean())} for name, known in figures.items()
    }
