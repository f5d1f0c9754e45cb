"""What a run lost on the way: `stats.json` and the logs of jobs come in, lines for the terminal go out."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from semid.errors import InputError
from semid.files import read_json
from semid.terminal import printable

# The jobs that may leave out what a user gave, such as vectors and codes of no item. preprocess says it in stats.json.
LOGS_WITH_LOSSES = ("embeddings/part-*.log", "*/import-*.log")
WARNING = " warning: "
# The most warnings that are shown of a dataset, which may have many shards.
MOST_WARNINGS = 10


def loss_report(datasets: Iterable[str], since: float, root: Path = Path()) -> str:
    """Return what was lost of the datasets on which jobs have worked since the time `since`; empty if nothing was.

    `root` is the working directory of the workflow.
    """
    lines = []
    for dataset in datasets:
        if any(log.stat().st_mtime >= since for log in (root / "logs" / dataset).rglob("*.log")):
            lines += _losses_of(dataset, since, root)
    return "\n".join(["Lost on the way, and warnings:", *map(printable, lines)]) if lines else ""


def _losses_of(dataset: str, since: float, root: Path) -> list[str]:
    stats = root / "data" / dataset / "stats.json"
    lines = []
    if stats.is_file():
        try:
            lines += [f"  {dataset}: {loss}" for loss in losses(read_json(stats, "the counts of preprocessing"))]
        except (InputError, KeyError, TypeError, AttributeError):
            # what failed in the run is said before, and is not hidden by a report on it
            lines.append(f"  {dataset}: {stats.relative_to(root)} cannot be read")
        if lines:
            lines.append(f"  {dataset}: {stats.relative_to(root)} and the logs in logs/{dataset}/ say more")
    return lines + [f"  {dataset}: {warning}" for warning in _warnings(root / "logs" / dataset, since)]


def losses(stats: Mapping[str, Any]) -> Iterator[str]:
    """Yield what `stats.json` says that was lost: lines of each file, rows by reason, and values."""
    for path, malformed in stats["malformed_lines"].items():
        if malformed:
            yield f"{malformed:,} of {stats['lines'][path]:,} lines of {path} could not be read"
    rows = {"interactions": stats["steps"][0]["rows"] if stats["steps"] else 0}
    for table, reasons in stats["dropped"].items():
        if reasons:
            of = f" of {rows[table]:,}" if rows.get(table) else ""
            yield f"{sum(reasons.values()):,}{of} rows of {table} were dropped ({_counted(reasons)})"
    for table, counts in stats["wrong_types"].items():
        # rows without a value that they need are counted above
        fields = {name: n for name, n in counts.items() if f"wrong_type_{name}" not in stats["dropped"][table]}
        if fields:
            yield f"values of {table} with a wrong type were left out ({_counted(fields)})"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {n:,}" for name, n in counts.items())


def _warnings(logs: Path, since: float) -> list[str]:
    """The warnings in the logs of jobs that have run since then, each once."""
    written = [
        log for pattern in LOGS_WITH_LOSSES for log in sorted(logs.glob(pattern)) if log.stat().st_mtime >= since
    ]
    texts: dict[str, None] = {}
    for log in written:
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            if WARNING in line:
                texts[line.partition(WARNING)[2]] = None
    shown = list(texts)[:MOST_WARNINGS]
    return shown + [f"{len(texts) - len(shown)} more warnings are in {logs}"] * (len(texts) > len(shown))
