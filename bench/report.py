"""Rows of the tables, their ratios, and the Markdown page."""

import csv
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

from bench.methods import Case
from bench.processes import Measured

Row = dict[str, Any]

COLUMNS = (
    *("task", "method", "settings", "version", "n", "dim", "k", "levels", "beam", "iterations", "epochs", "threads"),
    *("seconds", "seconds_min", "seconds_max", "repeats", "ratio_to_semid", "ratio_to_products", "counted"),
    *("error", "unique_codes", "perplexity", "dead_codes", "semid_seconds_to_this_error"),
    *("anonymous_mb", "limit_mb", "imported_mb", "blas", "failed"),
)
LARGE_K = 2048
GROUP = ("task", "n", "k", "levels", "beam", "iterations", "epochs")

# shortened runs of semid, which show after how long it reaches an error
SEMID_PART = {"kmeans": "semid, fewer iterations", "training": "semid, fewer epochs"}


def rows_of(task: str, n: int, dim: int, case: Case, measured: Iterable[Measured]) -> list[Row]:
    """A row a method: medians over its repeats, or why it has none. No ratios yet."""
    rows = []
    for measurement in measured:
        method, seconds, quality = measurement.method, measurement.seconds, measurement.quality
        row: Row = {
            "task": task,
            "method": method.name,
            "settings": method.settings,
            "version": measurement.version,
            "n": n,
            "dim": dim,
            "k": case.k,
            "levels": case.levels,
            "beam": case.beam,
            "threads": case.threads,
            "iterations": case.iterations,
            "epochs": case.epochs,
            "repeats": len(seconds),
            "blas": measurement.blas,
            "failed": measurement.failed,
        }
        if seconds:
            row |= {"seconds": statistics.median(seconds), "seconds_min": min(seconds), "seconds_max": max(seconds)}
            row |= {name: statistics.median(judged[name] for judged in quality) for name in quality[0]}
        rows.append(row)
    return rows


def _sizes(row: Row) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in GROUP)


def groups(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows that may be compared with each other: same task, same sizes."""
    together: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        together.setdefault(_sizes(row), []).append(row)
    return list(together.values())


def add_ratios(rows: Sequence[Row]) -> None:
    """Fill in, group by group, ratios of seconds, which variant counts, and semid's time to each error.

    The fastest of a method's variants counts; of those that train it is the one of lowest error. Shortened runs of
    semid do not count.
    `semid_seconds_to_this_error`: of the semid runs, whole and shortened, the shortest whose error is no larger.
    """
    for group in groups(rows):
        timed = [row for row in group if "seconds" in row]
        seconds = {row["method"]: row["seconds"] for row in timed}
        semid_runs = [row for row in timed if row["method"] in ("semid", SEMID_PART.get(row["task"]))]
        best: dict[str, Row] = {}
        for row in timed:
            for column, name in (("ratio_to_semid", "semid"), ("ratio_to_products", "bare products")):
                if name in seconds:
                    row[column] = row["seconds"] / seconds[name]
            merit = "error" if row["task"] == "training" else "seconds"
            shortened = row["method"] in SEMID_PART.values()
            if not shortened and (row["method"] not in best or row[merit] < best[row["method"]][merit]):
                best[row["method"]] = row
            if "error" in row and row["task"] in SEMID_PART:
                reached = [run["seconds"] for run in semid_runs if run["error"] <= row["error"]]
                row["semid_seconds_to_this_error"] = min(reached, default=None)
        for row in group:
            row["counted"] = int(any(row is best_row for best_row in best.values()))


def as_csv(rows: Sequence[Row], columns: Sequence[str] = COLUMNS) -> str:
    """The rows as CSV; a value that a row does not have is empty."""
    out = StringIO()
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()})
    return out.getvalue()


def failures_of_semid(rows: Sequence[Row]) -> list[str]:
    """What each run of semid that failed said, a line each."""
    return [
        f"{row['task']}: {row['method']}: {row['failed']}"
        for row in rows
        if row["failed"] and row["method"].startswith("semid")
    ]


@dataclass(frozen=True)
class Bar:
    """A number that the project means to hold.

    `value`: from the rows of a group, and all rows, to the measured number: infinity where semid failed or never got as
    far, None in a group that has nothing to compare it with.
    """

    task: str
    what: str
    at_most: float
    value: Callable[[Sequence[Row], Sequence[Row]], float | None]


def _counted(group: Sequence[Row], method: str) -> Row | None:
    """The row of a method that counts; None where it was not measured."""
    return next((row for row in group if row["counted"] and row["method"] == method), None)


def _share(semid: Row | None, peer: Row) -> float:
    return semid["seconds"] / peer["seconds"] if semid else math.inf


def _share_of(method: str) -> Callable[[Sequence[Row], Sequence[Row]], float | None]:
    """Over the time of another method, with beam 1."""

    def value(group: Sequence[Row], _: Sequence[Row]) -> float | None:
        peer = _counted(group, method)
        return _share(_counted(group, "semid"), peer) if peer and peer["beam"] == 1 else None

    return value


def _share_of_beam_one(group: Sequence[Row], rows: Sequence[Row]) -> float | None:
    """With beam 4, over the time with beam 1 of the same sizes."""
    if group[0]["beam"] != 4:
        return None
    one = _counted([row for row in rows if _sizes(row) == _sizes({**group[0], "beam": 1})], "semid")
    return _share(_counted(group, "semid"), one) if one else None


def _over_peers_as_good(large: bool, slack: float) -> Callable[[Sequence[Row], Sequence[Row]], float | None]:
    """Over the fastest whose error is at most `slack` times semid's; 0 where there is none."""

    def value(group: Sequence[Row], _: Sequence[Row]) -> float | None:
        peers, semid = _peers(group), _counted(group, "semid")
        if not peers or (group[0]["k"] >= LARGE_K) != large:
            return None
        if semid is None:
            return math.inf
        return max((_share(semid, row) for row in peers if row["error"] <= slack * semid["error"]), default=0.0)

    return value


def _over_peers_at_their_error(large: bool) -> Callable[[Sequence[Row], Sequence[Row]], float | None]:
    """Until semid has a peer's error, over the peer's time; of all peers the worst."""

    def value(group: Sequence[Row], _: Sequence[Row]) -> float | None:
        peers = _peers(group) if (group[0]["k"] >= LARGE_K) == large else []
        return max((_share_until_error(row) for row in peers), default=None)

    return value


def _share_until_error(peer: Row) -> float:
    reached = peer["semid_seconds_to_this_error"]
    return math.inf if reached is None else reached / peer["seconds"]


def _peers(group: Sequence[Row]) -> list[Row]:
    """The rows that count and are neither semid nor bare products."""
    return [row for row in group if row["counted"] and row["method"] not in ("semid", "bare products")]


def _share_of_trained_peer(group: Sequence[Row], _: Sequence[Row]) -> float | None:
    peer = _counted(group, "vector-quantize-pytorch")
    return _share_until_error(peer) if peer else None


def _seconds_to_uniqueness(group: Sequence[Row], _: Sequence[Row]) -> float | None:
    semid = _counted(group, "semid")
    return semid["seconds"] if semid and semid["unique_codes"] >= 0.975 else math.inf


def _error_over_faiss(group: Sequence[Row], _: Sequence[Row]) -> float | None:
    semid, peer = _counted(group, "semid"), _counted(group, "faiss.OPQMatrix")
    if peer is None:
        return None
    return semid["error"] / peer["error"] if semid else math.inf


BARS = (
    Bar("encode", "beam 1: time over that of the bare products", 1 / 0.75, _share_of("bare products")),
    Bar("encode", "beam 1: time over that of faiss.ResidualQuantizer", 1 / 1.7, _share_of("faiss.ResidualQuantizer")),
    Bar("encode", "beam 4: time over that of beam 1", 3.0, _share_of_beam_one),
    Bar("kmeans", "time over that of the fastest with no larger error", 1.0, _over_peers_as_good(False, 1.0)),
    Bar("kmeans", "time to another's error over its time, the worst", 1.0, _over_peers_at_their_error(False)),
    Bar("kmeans", "time over that of the fastest within 0.2 % of the error", 1.1, _over_peers_as_good(True, 1.002)),
    Bar("kmeans", "time to another's error over its time, the worst", 1.1, _over_peers_at_their_error(True)),
    Bar("training", "time to the error of vector-quantize-pytorch over its time", 0.5, _share_of_trained_peer),
    Bar("training", "seconds, with at least 0.975 unique codes", 60.0, _seconds_to_uniqueness),
    Bar("opq", "error over that of faiss", 1.01, _error_over_faiss),
)


def bars(rows: Sequence[Row]) -> list[Row]:
    """Each bar in each group that it speaks of: `what`, `value`, `at_most`."""
    found = []
    for group in groups(rows):
        for bar in BARS:
            value = bar.value(group, rows) if bar.task == group[0]["task"] else None
            if value is not None:
                found.append({"what": f"{heading(group[0])}: {bar.what}", "value": value, "at_most": bar.at_most})
    for row in rows:
        if row["task"] == "memory" and "anonymous_mb" in row:
            what = f"{heading(row)}: {row['method']} {row['settings']}: MB over the imported library"
            found.append({"what": what, "value": row["anonymous_mb"], "at_most": row["limit_mb"]})
    return found


def heading(row: Row) -> str:
    """What a group measures, in a few words."""
    size = f"{row['n']:,} × {row['dim']}"
    texts = {
        "encode": "encode {levels}×{k}, beam {beam}",
        "kmeans": "k-means K={k}, {iterations} iterations",
        "training": "RQ-VAE {levels}×{k}, {epochs} epochs",
        "opq": "OPQ {levels}×{k}",
        "large": "large codebooks {levels}×{k}, beam {beam}",
        "memory": "memory",
    }
    return f"{texts[row['task']].format(**row)}, {size}"


def _cell(row: Row, name: str, form: str) -> str:
    value = row.get(name)
    return "" if value is None or value == "" else format(value, form)


SHOWN = (
    *(("s", "seconds", ".3g"), ("min", "seconds_min", ".3g"), ("max", "seconds_max", ".3g"), ("runs", "repeats", "d")),
    *(("× semid", "ratio_to_semid", ".2f"), ("× products", "ratio_to_products", ".2f"), ("error", "error", ".5f")),
    *(("unique", "unique_codes", ".4f"), ("perplexity", "perplexity", ".0f"), ("dead", "dead_codes", ".0f")),
    *(("semid to this error, s", "semid_seconds_to_this_error", ".3g"), ("MB", "anonymous_mb", ".0f")),
)


def as_markdown(described: Sequence[str], rows: Sequence[Row]) -> str:
    """The page: what describes machine and data, a table a group of what counts, the bars, and what did not run."""
    cores = sorted({core for row in rows for core in row.get("blas", "").split("; ") if core})
    lines = ["# Benchmark", "", *(f"- {line}" for line in described)]
    lines += [f"- kind of CPU that each OpenBLAS works for: {', '.join(cores)}", ""] if cores else [""]
    lines += [
        "Medians of interleaved runs. Of a library's variants the better one is shown; the CSV files hold all.",
        "`× semid` is the time over that of semid, `× products` over that of the bare matrix products. `error` is the",
        "mean squared distance, computed by one function for all.",
        "",
    ]
    for group in groups(rows):
        shown = [row for row in group if row["counted"]]
        columns = [column for column in SHOWN if any(_cell(row, *column[1:]) for row in shown)]
        if shown:
            lines += [f"## {heading(group[0])}", ""]
            lines += ["| method | settings | version | " + " | ".join(name for name, *_ in columns) + " |"]
            lines += ["| --- | --- | --- |" + " ---: |" * len(columns)]
            for row in sorted(shown, key=lambda row: row["seconds"]):
                cells = [row["method"], row["settings"], row["version"], *(_cell(row, *rest) for _, *rest in columns)]
                lines.append("| " + " | ".join(cells) + " |")
            lines.append("")
    held = bars(rows)
    if held:
        lines += ["## Bars", "", "| what | measured | at most | holds |", "| --- | ---: | ---: | --- |"]
        for bar in held:
            holds = "yes" if bar["value"] <= bar["at_most"] else "no"
            value = {0.0: "none is as good", math.inf: "not reached"}.get(bar["value"], f"{bar['value']:.3g}")
            lines.append(f"| {bar['what']} | {value} | {bar['at_most']:.3g} | {holds} |")
        lines.append("")
    failed = [row for row in rows if row["failed"]]
    if failed:
        lines += ["## Not measured", ""]
        for row in failed:
            label = " ".join(part for part in (row["method"], row["settings"]) if part)
            lines.append(f"- {heading(row)}: {label}: {row['failed']}")
        lines.append("")
    return "\n".join(lines)
