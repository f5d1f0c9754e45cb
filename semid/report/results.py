"""What a run has written, as the report reads it: the tables of the run whole, other files where they are there."""

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from semid.analysis.comparisons import COMPARISON_COLUMNS, group_seeds
from semid.analysis.generative_table import GENERATIVE_COLUMNS
from semid.analysis.pareto import PARETO_COLUMNS
from semid.analysis.proxies import PROXY_COLUMNS
from semid.analysis.slices import SLICE_COLUMNS
from semid.errors import InputError
from semid.evaluation.table import TABLE_COLUMNS, read_table
from semid.files import read_json
from semid.generator_names import GeneratorName
from semid.ids import reading_table
from semid.scorecard.table import SCORECARD_COLUMNS

Row = Mapping[str, str]

# The tables of a run and their columns. A table that a run does not make leaves its section out of the report.
TABLES = {
    "tokenizers": SCORECARD_COLUMNS,
    "offline_eval": TABLE_COLUMNS,
    "pareto": PARETO_COLUMNS,
    "slices": SLICE_COLUMNS,
    "comparisons": COMPARISON_COLUMNS,
    "proxies": PROXY_COLUMNS,
    "generative_eval": GENERATIVE_COLUMNS,
}
CONTROLS = "controls"
SEEN_REMOVED, SEEN_KEPT = "removed", "kept"


@dataclass(frozen=True)
class DatasetResults:
    """What a run has written of one dataset.

    folder: `results/`; tables: the rows of the dataset by the name of the table, none for a table that is not there.
    """

    name: str
    folder: Path
    tables: Mapping[str, Sequence[Row]]

    @cached_property
    def tokenizers(self) -> list[str]:
        """The tokenizers with a scorecard, one name for each seed, in the order of the run."""
        return list(dict.fromkeys(row["tokenizer"] for row in self.tables["tokenizers"]))

    @cached_property
    def seeds(self) -> dict[str, list[str]]:
        """The names of `tokenizers` by the name that they have without their seed."""
        return group_seeds(self.tokenizers)

    @cached_property
    def generators(self) -> dict[str, list[str]]:
        """Folders of generators below that of the dataset, by the folder that they have without seeds."""
        groups: dict[str, list[str]] = {}
        for row in self.tables["generative_eval"]:
            if row["generator"]:
                folder = "/".join(filter(None, [row["tokenizer"], row["generator"]]))
                seeds = groups.setdefault(without_seeds(row["tokenizer"], row["generator"]), [])
                seeds += [] if folder in seeds else [folder]
        return groups

    @property
    def note(self) -> str:
        """The note of every table of the dataset, such as that of generated data; empty where there is none."""
        return next((row["note"] for row in self.tables["tokenizers"] if row["note"]), "")

    @property
    def results(self) -> Path:
        """The folder of the results of the dataset."""
        return self.folder / self.name

    @property
    def data(self) -> Path:
        """The folder of the splits and the item table, which stands beside the results."""
        return self.folder.parent / "data" / self.name

    @property
    def benchmarks(self) -> Path:
        """The folder in which Snakemake keeps what each job took."""
        return self.folder.parent / "benchmarks" / self.name

    def stats(self) -> dict[str, Any]:
        """Return the counts of preprocessing; empty where they are not there."""
        path = self.data / "stats.json"
        return read_json(path, "the counts of preprocessing") if path.is_file() else {}

    def rows(self, table: str, **cells: str) -> list[Row]:
        """Return the rows of a table with these cells."""
        return [row for row in self.tables[table] if all(row[column] == cell for column, cell in cells.items())]


@dataclass(frozen=True)
class Results:
    """What a run has written; folder: `results/`; tables: rows by the name of the table."""

    folder: Path
    tables: Mapping[str, Sequence[Row]]

    @classmethod
    def read(cls, folder: str | Path, names: Collection[str] = tuple(TABLES)) -> Self:
        """Read the tables of these names that are there.

        Raises `InputError` where there are no scorecards and no generators, or where a table has other columns.
        """
        folder = Path(folder)
        tables: dict[str, Sequence[Row]] = {name: [] for name in TABLES}
        for name in names:
            path = folder / f"{name}.csv"
            if path.is_file():
                tables[name] = read_table(path, TABLES[name])
        if not tables["tokenizers"] and not tables["generative_eval"]:
            raise InputError(
                f"{folder}: there is no tokenizers.csv here, with which a report begins: semid run makes it"
            )
        return cls(folder, tables)

    @cached_property
    def datasets(self) -> list[DatasetResults]:
        """The datasets, in the order of the run."""
        rows = [row for name in ("tokenizers", "generative_eval") for row in self.tables[name]]
        return [
            DatasetResults(
                name,
                self.folder,
                {table: [row for row in rows if row["dataset"] == name] for table, rows in self.tables.items()},
            )
            for name in dict.fromkeys(row["dataset"] for row in rows)
        ]

    @cached_property
    def colours(self) -> dict[str, int]:
        """The place of each tokenizer and generator in the palette, by its name without seeds, for all figures."""
        names: dict[str, None] = {}
        for dataset in self.datasets:
            names |= dict.fromkeys(dataset.seeds)
        for dataset in self.datasets:
            names |= dict.fromkeys(tokenizer for folder in dataset.generators for tokenizer in [subject(folder)])
        return {name: place for place, name in enumerate(names)}

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest of the run, which is written with its evaluations; empty where there are none."""
        written = {"offline_eval": "manifest.json", "generative_eval": "generative_manifest.json"}
        paths = [self.folder / name for table, name in written.items() if self.tables[table]]
        return next((read_json(path, "the manifest of a run") for path in paths if path.is_file()), {})


def without_seeds(tokenizer: str, generator: str) -> str:
    """Return the folder of a generator without the seeds in its name and in that of its tokenizer."""
    parts = [*(group_seeds([tokenizer]) if tokenizer else []), GeneratorName.parse(generator).without_seed]
    return "/".join(parts)


def subject(folder: str) -> str:
    """Return what colours a generator: the tokenizer whose IDs it writes, or itself where it knows none."""
    return folder.rpartition("/")[0] or folder


def colour_of(name: str, colours: Mapping[str, int]) -> int | None:
    """Return the place in the palette of a tokenizer or a generator, without seeds; None for a reference."""
    return colours.get(name, colours.get(subject(name)))


def read_history(path: str | Path) -> list[dict[str, str]]:
    """Return the rows of a `training.csv`, whose columns depend on the model. Raises `InputError` for a broken file."""
    with reading_table(path, "the history of a training"), open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
        if rows and "epoch" not in rows[0]:
            raise InputError(f"{path}: a history of training has a column epoch")
        return rows


def number(text: str | None) -> float | None:
    """Return the number in a cell of a table, or None for an empty one."""
    return float(text) if text else None


def mean(numbers: Sequence[float]) -> float:
    """Return the mean of at least one number; of equal numbers exactly that."""
    return numbers[0] if len(set(numbers)) == 1 else sum(numbers) / len(numbers)
