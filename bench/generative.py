"""What training and search of a generator cost, beside bare products and TIGER's usual form.

`python -m bench.generative` measures on the codes and splits of a finished run of the workflow, in parts, each of which
may be run alone: `train`, the useful work of training as a share of the rate of bare products; `search`, microseconds a
user; `memory`, of an epoch and an evaluation; `t5`, a generator and a small T5 of transformers, trained for the same
minutes on the same codes. The figures of a part replace those that it had in results/bench/generative.csv, and
generative.md shows all. Trained models are kept in results/bench/generative/, from where a later run takes them.
"""

import argparse
import csv
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from bench import machine, memory
from bench.generator import METRICS, Inputs, Searches, figures_of, microseconds, trained
from bench.generator import kept as kept_in
from bench.generator_work import profile_of_training, work_of_training
from bench.report import as_csv
from bench.tiger_t5 import BATCH, LEARNING_RATE, figures_of_t5, new_t5, train_t5
from semid.errors import InputError
from semid.files import write_text
from semid.generative.settings import GeneratorSettings

PARTS = ("train", "search", "memory", "t5")
COLUMNS = ("part", "method", "users", "figure", "value", "at_least", "at_most", "threads", "measured")
# What must hold, by part and figure.
AT_LEAST = {("train", "share"): 1 / 3}
AT_MOST = {("search", "beam"): 300.0, ("memory", "total_mb"): 1500.0}
EXACT_USERS_AT_ONCE = 16
Row = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """What is measured: on which files, with which generator, for how long, and on how many users."""

    dataset: Path
    codes: Path
    embeddings: Path
    settings: GeneratorSettings
    seconds: float
    users: int
    search_users: int
    exact_users: int
    repeats: int
    threads: int
    models: Path

    @cached_property
    def inputs(self) -> Inputs:
        return Inputs.read(self.dataset, self.codes, self.embeddings)

    def train(self) -> list[Row]:
        return rows_of("train", "generator", 0, work_of_training(self.inputs, self.settings, self.repeats))

    def search(self) -> list[Row]:
        model, _ = trained(self.inputs, self.settings, self.seconds, self.models)
        searches = Searches(model, self.inputs.queries(self.search_users), self.inputs.index)
        figures = microseconds(searches, ("encode", "dense", "beam"), self.repeats)
        rows = rows_of("search", "generator", len(searches.queries), figures)
        # beams grow with what is not certain, and so does the memory of a block of users
        sample = Searches(model, self.inputs.queries(self.exact_users), self.inputs.index, EXACT_USERS_AT_ONCE)
        exact = microseconds(sample, ("exact",), self.repeats)
        return rows + rows_of("search", "generator", len(sample.queries), exact)

    def memory(self) -> list[Row]:
        files = {"dataset": str(self.dataset), "codes": str(self.codes), "embeddings": str(self.embeddings)}
        run = "bench.generator:epoch_and_evaluation"
        measured = memory.measure("job", self.threads, run=run, **files, settings=asdict(self.settings))
        measured["total_mb"] = measured["anonymous_mb"] + measured["imported_mb"]
        return rows_of("memory", "generator", 0, measured)

    def t5(self) -> list[Row]:
        inputs, sample = self.inputs, self.inputs.queries(self.users)
        model, said = trained(inputs, self.settings, self.seconds, self.models)
        rows = []
        for queries in (sample, inputs.queries()):
            for ranking, figures in figures_of(model, queries, inputs.index).items():
                rows += rows_of("t5", f"generator, {ranking}", len(queries), figures | said)
        del model
        t5, seconds = new_t5(inputs.sizes), said["seconds"]
        path = self.models / f"t5-{inputs.digest(seconds, BATCH, LEARNING_RATE, self.threads)}.safetensors"
        said = kept_in(path, t5, lambda: train_t5(inputs, seconds))
        return rows + rows_of("t5", "T5 of transformers", len(sample), figures_of_t5(t5, inputs, sample) | said)


def rows_of(part: str, method: str, users: int, figures: dict[str, float]) -> list[Row]:
    """A row a figure, with the bar that it is held against."""
    of_part = {"part": part, "method": method, "users": users or ""}
    return [
        {
            **of_part,
            "figure": figure,
            "value": value,
            "at_least": AT_LEAST.get((part, figure), ""),
            "at_most": AT_MOST.get((part, figure), ""),
        }
        for figure, value in figures.items()
    ]


def holds(row: Row) -> bool:
    """Whether a row holds its bar; one without a bar does."""
    lowest, highest = row["at_least"], row["at_most"]
    return (lowest == "" or float(row["value"]) >= float(lowest)) and (
        highest == "" or float(row["value"]) <= float(highest)
    )


def read_rows(path: Path) -> list[Row]:
    """The rows of an earlier run, if there was one."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def as_markdown(described: list[str], rows: list[Row]) -> str:
    """The page: the machine, the figures of each part with their bars, and the models that were trained alike."""
    lines = ["# A generator", "", *(f"- {line}" for line in described), ""]
    lines += ["| part | users | figure | value | bar | holds |", "| --- | ---: | --- | ---: | --- | --- |"]
    for row in rows:
        if row["part"] == "t5":
            continue
        bar = _bar(row)
        verdict = ("yes" if holds(row) else "no") if bar else ""
        cells = [row["part"], str(row["users"]), row["figure"], f"{float(row['value']):,.4g}", bar, verdict]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *_table_of_models(rows), ""])


def _bar(row: Row) -> str:
    for name, words in (("at_least", "at least"), ("at_most", "at most")):
        if row[name] != "":
            return f"{words} {float(row[name]):.4g}"
    return ""


def _table_of_models(rows: list[Row]) -> list[str]:
    """Return the table of `t5`: a line a method and number of users."""
    methods: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        if row["part"] == "t5":
            figures = methods.setdefault((row["method"], str(row["users"])), {})
            figures[row["figure"]] = float(row["value"])
    if not methods:
        return []
    columns = [f"{metric}, {seen}" for seen in ("removed", "kept") for metric in METRICS]
    header = ["trained alike", "users", "seconds", "epochs", *(f"{column}" for column in columns), "µs a user"]
    lines = ["| " + " | ".join(header) + " |", "| --- |" + " ---: |" * (len(header) - 1)]
    for (method, users), figures in methods.items():
        cells = [f"{figures['seconds']:.0f}", f"{figures['epochs']:.2f}", *(f"{figures[name]:.4f}" for name in columns)]
        lines.append("| " + " | ".join([method, f"{int(users):,}", *cells, f"{figures['query_us']:,.0f}"]) + " |")
    return lines


def run_parts(parts: dict[str, Callable[[], list[Row]]], described: list[str], out: Path, threads: int) -> list[Row]:
    """Measure part by part, and write table and page after each; rows of parts that are not run stay."""
    rows = read_rows(out / "generative.csv")
    for part, measure in parts.items():
        measured = measure()
        said = {"threads": threads, "measured": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")}
        rows = [row for row in rows if row["part"] != part] + [{**row, **said} for row in measured]
        rows.sort(key=lambda row: PARTS.index(row["part"]))
        write_text(out / "generative.csv", as_csv(rows, COLUMNS))
        when = sorted({f"{row['part']} at {row['measured']} with {row['threads']} threads" for row in rows})
        write_text(out / "generative.md", as_markdown([*described, *when], rows))
    return rows


def parsed_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.generative", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", type=Path, default=Path("data/beauty"), help="folder of the splits")
    parser.add_argument(
        "--codes", type=Path, help="a .npy file or a folder; default: those of rqkmeans_4x256 on the dataset"
    )
    parser.add_argument("--embeddings", type=Path, help="a manifest; default: that of the dataset")
    parser.add_argument("--settings", default="{}", help="JSON: options of the generator in place of the defaults")
    parser.add_argument("--part", action="append", choices=PARTS, help="may be repeated; default: all")
    parser.add_argument("--profile", action="store_true", help="print what an epoch spends its time on, and no more")
    parser.add_argument("--minutes", type=float, default=5.0, help="that generator and T5 are trained for")
    parser.add_argument("--users", type=int, default=2000, help="test users for whom the T5 writes codes")
    parser.add_argument("--search-users", type=int, default=0, help="test users whose search is timed; default: all")
    parser.add_argument("--exact-users", type=int, default=256, help="test users who are searched for exactly")
    parser.add_argument("--repeats", type=int, default=3, help="of what is timed; medians count")
    parser.add_argument("--threads", type=int, default=machine.cores())
    parser.add_argument("--out", type=Path, default=Path("results/bench"), help="where the tables go")
    arguments = parser.parse_args()
    if arguments.minutes <= 0 or min(arguments.users, arguments.repeats, arguments.threads) < 1:
        parser.error("--minutes must be above 0, and --users, --repeats and --threads at least 1")
    return arguments


def main() -> None:
    arguments = parsed_arguments()
    torch.set_num_threads(arguments.threads)
    results = Path("results") / arguments.dataset.name
    bench = Bench(
        arguments.dataset,
        arguments.codes or results / "rqkmeans_4x256" / "codes",
        arguments.embeddings or results / "embeddings" / "manifest.json",
        GeneratorSettings(**json.loads(arguments.settings)),
        60 * arguments.minutes,
        arguments.users,
        arguments.search_users,
        arguments.exact_users,
        arguments.repeats,
        arguments.threads,
        arguments.out / "generative",
    )
    if arguments.profile:
        table = profile_of_training(bench.inputs, bench.settings)
        write_text(arguments.out / "generative_profile.txt", table)
        print(table)
        return
    described = machine.describe(arguments.threads)
    described.append(f"{bench.codes}, {arguments.minutes:g} minutes of training")
    parts = {part: getattr(bench, part) for part in arguments.part or PARTS}
    try:
        rows = run_parts(parts, described, arguments.out, arguments.threads)
    except InputError as error:
        sys.exit(f"bench: {error}")
    print((arguments.out / "generative.md").read_text(encoding="utf-8"))
    sys.exit("\n".join(_missed(row) for row in rows if not holds(row)) or 0)


def _missed(row: Row) -> str:
    return f"{row['part']}: {row['figure']} is {float(row['value']):.4g}, {_bar(row)} is wanted"


if __name__ == "__main__":
    main()
