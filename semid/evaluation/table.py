"""The table of results: its columns, and how tables are written, read, collected and printed."""

import csv
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from semid.errors import InputError
from semid.evaluation.metrics import ALL_METRICS, HEADLINE, KS, METRICS
from semid.evaluation.target_ranks import CODE_METRICS, RANDOM
from semid.files import read_json, whole_file
from semid.terminal import aligned, recall_with_interval

Row = Mapping[str, str | int | float]

ENDS = ("low", "high")
FIRST_METRICS = (*(f"recall@{k}" for k in KS), *(f"ndcg@{k}" for k in KS), "mrr")
TABLE_COLUMNS = (
    "dataset",
    "tokenizer",
    "candidates",
    "budget",
    "rerank",
    "users",
    "avg_cand_size",
    "cand_recall",
    *FIRST_METRICS,
    *(f"{metric}_{end}" for metric in HEADLINE for end in ENDS),
    "split",
    "method",
    "variant",
    "num_levels",
    "codebook_size",
    "bits",
    "entropy_bits",
    "seed",
    "query",
    "cold_start_skipped",
    "query_us",
    "queries",
    "seen_skipped",
    "untied_users",
    *(f"{metric}_untied" for metric in HEADLINE),
    "note",
    *(f"{metric}_{of}" for metric in CODE_METRICS for of in ("code", "inflation")),
    *(f"{metric}_{end}" for metric in FIRST_METRICS if metric not in HEADLINE for end in ENDS),
    "no_history_skipped",
    "unknown_target_skipped",
    # The columns of metrics that were added later stand at the end, in the order of the registry.
    *(
        f"{metric.name}{end}"
        for metric in ALL_METRICS
        if metric.name not in FIRST_METRICS
        for end in (("", "_low", "_high") if metric.name in METRICS else ("",))
    ),
)

PRINTED_COLUMNS = (
    "dataset",
    "tokenizer",
    "candidates",
    "avg_cand_size",
    "cand_recall",
    "recall@10 [95 %]",
    "ndcg@10",
    "mrr",
    "entropy_bits",
)


def write_table(rows: Sequence[Row], path: str | Path, columns: Sequence[str] = TABLE_COLUMNS) -> None:
    """Write rows as CSV with these columns; reals have six significant digits, and absent values are empty."""
    with whole_file(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()}
            )


def read_table(path: str | Path, expected: Sequence[str] = TABLE_COLUMNS) -> list[dict[str, str]]:
    """Return the rows of a written table, with values as text.

    Raises InputError when the file cannot be read or has other columns.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows, columns = list(reader), tuple(reader.fieldnames or ())
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read ({reason}): run the evaluation again") from error
    if columns != tuple(expected):
        raise InputError(f"{path} does not have the columns of its table: run the evaluation again")
    return rows


def collect_tables(paths: Sequence[str | Path], path: str | Path, columns: Sequence[str] = TABLE_COLUMNS) -> None:
    """Write the rows of several tables, in the order given, as one."""
    write_table([row for part in paths for row in read_table(part, columns)], path, columns)


def format_table(path: str | Path, scorecards: str | Path | None = None, manifests: Sequence[str | Path] = ()) -> str:
    """Return the table at `path` as plain text for a terminal, and below it the notes, and the warnings of scorecards.

    `scorecards` is the collected table of the tokenizers. `manifests` are those of the data, by which a line says of a
    dataset how many of its items are evaluated, if some are not. Rows of random codes are left out.
    """
    rows = [row for row in read_table(path) if not row["candidates"].startswith(RANDOM)]
    lines = [PRINTED_COLUMNS, *(_cells(row) for row in rows)]
    text = aligned(lines)
    notes: dict[str, list[str]] = {}
    for row in rows:
        if row["note"] and row["dataset"] not in notes.setdefault(row["note"], []):
            notes[row["note"]].append(row["dataset"])
    text += [f"{', '.join(datasets)}: {note}" for note, datasets in notes.items()]
    text += _evaluated_items({row["dataset"] for row in rows}, manifests)
    if scorecards is not None:
        with open(scorecards, encoding="utf-8", newline="") as file:
            cards = csv.DictReader(file)
            text += [f"{card['dataset']}/{card['tokenizer']}: {card['warnings']}" for card in cards if card["warnings"]]
    return "\n".join(text) + "\n"


def collect_evaluations(
    tables: Sequence[str | Path], scorecards: str | Path, path: str | Path, manifests: Sequence[str | Path] = ()
) -> None:
    """Write the rows of several evaluations as one table, and print it as :func:`format_table` does."""
    collect_tables(tables, path)
    print(format_table(path, scorecards, manifests), flush=True)


def _evaluated_items(datasets: Collection[str], manifests: Sequence[str | Path]) -> list[str]:
    """Return a line for each of the datasets that has items with an ID which are not evaluated."""
    lines = []
    for path in manifests:
        manifest = read_json(path, "a manifest of data", "; delete it and run the workflow again")
        items, dataset = manifest.get("counts", {}).get("items", {}), manifest.get("dataset")
        if dataset in datasets and items.get("outside_core"):
            evaluated = f"{items['in_core']:,} of {items['rows']:,} items evaluated"
            lines.append(f"{dataset}: {evaluated}; the others have IDs, but are no core items")
    return lines


def _cells(row: Mapping[str, str]) -> tuple[str, ...]:
    """Return the cells that are printed of a row of the table, in the order of PRINTED_COLUMNS."""
    budget = row["budget"] if row["budget"] != "0" else ""
    decoded = "(decoded)" if row["rerank"] == "decoded" else ""
    return (
        row["dataset"],
        row["tokenizer"],
        " ".join(filter(None, [row["candidates"], budget, decoded])),
        f"{float(row['avg_cand_size']):,.1f}",
        f"{float(row['cand_recall']):.4f}",
        recall_with_interval(row),
        f"{float(row['ndcg@10']):.4f}",
        f"{float(row['mrr']):.4f}",
        f"{float(row['entropy_bits']):.1f}" if row["entropy_bits"] else "",
    )
