"""What candidates of every kind find, and for whom: two more tables of docs/findings.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bench.cells import of_results
from semid.analysis.slices import SLICE_COLUMNS
from semid.evaluation.table import TABLE_COLUMNS, read_table, write_table
from semid.naming import TokenizerName

Row = dict[str, str | int | float]

CONTROLS = "controls"
FIGURES = ("avg_cand_size", "recall@10", "recall@10_code", "recall@10_inflation")
COLUMNS = ("dataset", "tokenizer", "candidates", "budget", *FIGURES)
SLICED_COLUMNS = ("dataset", "tokenizer", "slice", "queries", "recall@10")
SLICES = ("all", "head", "middle", "tail", "cold", "short_history", "long_history", "untied")
SLICED = "100"


def gather(results: Path, out: Path) -> None:
    """Write strategies.csv and slices.csv: means over the seeds of a tokenizer, and the controls."""
    found: dict[tuple[str, str, str, str], list[Mapping[str, str]]] = {}
    sliced: dict[tuple[str, str, str], list[Mapping[str, str]]] = {}
    for dataset, (names, _) in of_results(results)[0].items():
        for name in (*names, CONTROLS):
            subject = name if name == CONTROLS else TokenizerName.parse(name).with_seed(0).name
            folder = results / dataset / name
            for row in read_table(folder / "offline_eval.csv", TABLE_COLUMNS):
                if not row["candidates"].startswith("random:"):
                    key = (dataset, subject, row["candidates"], row["budget"])
                    found.setdefault(key, []).append(row)
            for row in read_table(folder / "slices.csv", SLICE_COLUMNS):
                if name == CONTROLS:
                    sliced.setdefault((dataset, row["candidates"], row["slice"]), []).append(row)
                elif (row["candidates"], row["budget"]) == ("probe", SLICED):
                    sliced.setdefault((dataset, subject, row["slice"]), []).append(row)
    strategies = [dict(zip(COLUMNS, key, strict=False)) | _means(rows, FIGURES) for key, rows in found.items()]
    slices: list[Row] = [
        {"dataset": dataset, "tokenizer": subject, "slice": name, "queries": rows[0]["queries"]}
        | _means(rows, ("recall@10",))
        for (dataset, subject, name), rows in sliced.items()
    ]
    write_table(strategies, out / "strategies.csv", COLUMNS)
    write_table(slices, out / "slices.csv", SLICED_COLUMNS)


def _means(rows: Sequence[Mapping[str, str]], names: Sequence[str]) -> Row:
    return {
        name: float(np.mean([float(row[name]) for row in rows])) for name in names if all(row[name] for row in rows)
    }


def strategy_rows(table: Sequence[Mapping[str, str]], dataset: str) -> list[list[str]]:
    """Return cells of a line a tokenizer: what exact and prefix find, and what counting by code would say."""
    by_name: dict[str, dict[str, Mapping[str, str]]] = {}
    for row in table:
        if row["dataset"] == dataset and row["tokenizer"] != CONTROLS:
            by_name.setdefault(row["tokenizer"], {})[row["candidates"]] = row
    lines = []
    for name, kinds in by_name.items():
        exact, prefix = kinds["exact"], kinds["prefix"]
        line = [f"`{name}`", f"{float(exact['avg_cand_size']):.1f}", _recall(exact["recall@10"])]
        line += [
            f"{float(prefix['avg_cand_size']):.0f}",
            _recall(prefix["recall@10"]),
            _recall(prefix["recall@10_code"]),
        ]
        lines.append([*line, f"{float(prefix['recall@10_inflation']):.2f}" if prefix["recall@10_inflation"] else ""])
    return lines


def slice_rows(table: Sequence[Mapping[str, str]], dataset: str) -> list[list[str]]:
    """Return cells of a line a tokenizer or control, a column a slice."""
    by_name: dict[str, dict[str, str]] = {}
    for row in table:
        if row["dataset"] == dataset:
            by_name.setdefault(row["tokenizer"], {})[row["slice"]] = row["recall@10"]
    return [[f"`{name}`", *(_recall(of_slice.get(one, "")) for one in SLICES)] for name, of_slice in by_name.items()]


def _recall(text: str) -> str:
    return f"{float(text):.4f}" if text else ""
