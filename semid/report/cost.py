"""What a run cost: the seconds and the memory of its jobs, as Snakemake measured them."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass

from semid.ids import reading_table
from semid.report.figures import Axis, Bar, Bars, Figure
from semid.report.results import DatasetResults

# Which jobs of a tokenizer, a generator or a dataset stand together, by the beginning of their names.
PARTS = {
    "train": ("train", "fit"),
    "encode": ("encode", "import", "deal", "number", "repair", "embed", "part"),
    "evaluate": ("evaluate", "compare"),
    "other": ("",),
}
OF_DATASET = "the dataset itself"
FOLDERS_OF_DATASET = ("", "embeddings", "faiss", "controls", "peers")


@dataclass(frozen=True)
class Job:
    """A job that was measured; whose: the folder below that of the dataset, empty for the dataset itself."""

    whose: str
    name: str
    seconds: float
    megabytes: float


def jobs_of(dataset: DatasetResults) -> Iterator[Job]:
    """Yield the jobs whose measures are there; what was made earlier, or elsewhere, has none."""
    for path in sorted(dataset.benchmarks.rglob("*.tsv")):
        with reading_table(path, "the measures of a job"), path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                whose = path.parent.relative_to(dataset.benchmarks).as_posix()
                yield Job("" if whose == "." else whose, path.stem, _measured(row, "s"), _measured(row, "max_rss"))


def _measured(row: dict[str, str], column: str) -> float:
    """Return a measure; 0 where Snakemake could not take it, because the job was too short or the system has none."""
    try:
        return float(row.get(column) or 0)
    except ValueError:
        return 0.0


def cost_figure(dataset: DatasetResults) -> Figure | None:
    """Return the bars of what each part of a run took; None where nothing was measured."""
    subjects = {*dataset.tokenizers, *(folder for folders in dataset.generators.values() for folder in folders)}
    groups: dict[str, list[Job]] = {}
    for job in jobs_of(dataset):
        if job.whose in subjects or job.whose in FOLDERS_OF_DATASET:
            groups.setdefault(job.whose if job.whose in subjects else OF_DATASET, []).append(job)
    if not groups:
        return None
    bars = [Bar(whose, [sum(_seconds(of, part)) for part in PARTS], _note(of)) for whose, of in groups.items()]
    ordered = sorted(bars, key=lambda bar: (bar.name != OF_DATASET, -sum(bar.values)))
    return Figure(
        "cost",
        "What it cost",
        "Seconds of all jobs, as Snakemake measured them, on the machine that ran them; jobs that run beside each "
        "other count in full. The dataset itself is preprocessing, embedding, controls and search indexes.",
        f"benchmarks/{dataset.name}/",
        [Bars("time", Axis("time", "seconds"), list(PARTS), ordered)],
    )


def _seconds(jobs: list[Job], part: str) -> Iterator[float]:
    for job in jobs:
        if next(name for name, beginnings in PARTS.items() if job.name.startswith(beginnings)) == part:
            yield job.seconds


def _note(jobs: list[Job]) -> str:
    most = max(job.megabytes for job in jobs)
    return f"at most {most:,.0f} MB of memory" if most else ""
