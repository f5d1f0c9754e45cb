"""`results/generative_eval.csv`: what generators make of IDs, beside the controls."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from semid.evaluation.metrics import HEADLINE
from semid.evaluation.table import (
    ENDS,
    FIRST_METRICS,
    TABLE_COLUMNS,
    aligned,
    read_table,
    recall_with_interval,
    write_table,
)

Row = Mapping[str, str | int | float]

# Columns of the retrieval table that say how candidates were found there, or of which tokenizer's seed it is.
_OF_RETRIEVAL = ("candidates", "budget", "rerank", "query", "seed")
_WHAT = ("dataset", "tokenizer", "generator", "ranking", "seen", "users")
_HOW = (
    "recall_sid@10",
    "recall_sid@10_inflation",
    "exact_share",
    "invalid_share",
    "beta",
    "history",
    "beam",
    "item_coverage@10",
    "gini_exposure@10",
    "epochs",
    "epoch_kept",
    "train_seconds",
    "parameters",
    "query_us",
    "device",
    "seed",
)
_FIRST = (*_WHAT, *FIRST_METRICS, *(f"{metric}_{end}" for metric in HEADLINE for end in ENDS), *_HOW)
GENERATIVE_COLUMNS = (
    *_FIRST,
    *(
        name
        for name in TABLE_COLUMNS
        if name not in (*_FIRST, *_OF_RETRIEVAL) and not name.endswith(("_code", "_inflation"))
    ),
)
GENERATIVE_SLICE_COLUMNS = (
    *("dataset", "tokenizer", "generator", "seed", "ranking", "seen", "slice", "users", "queries"),
    *(f"{metric}{end}" for metric in HEADLINE for end in ("", "_low", "_high")),
)

REMOVED, KEPT = "removed", "kept"
# The controls that stand beside generators, and what their rankings are called there.
CONTROLS = {"all": "content", "popularity": "popularity", "cooccurrence": "cooccurrence"}

PRINTED_COLUMNS = (
    "dataset",
    "tokenizer",
    "generator",
    "ranking",
    "recall@10 [95 %]",
    "ndcg@10",
    "recall@10 seen kept",
    "exact",
    "us a query",
)


def control_rows(path: str | Path) -> list[Row]:
    """Return the rows of the controls, from their `offline_eval.csv`, as rows of this table: seen items are removed."""
    rows: list[Row] = []
    for row in read_table(path):
        if row["candidates"] in CONTROLS:
            copied = {name: row[name] for name in GENERATIVE_COLUMNS if name in row and name != "seed"}
            rows.append({**copied, "ranking": CONTROLS[row["candidates"]], "seen": REMOVED})
    return rows


def collect_generators(tables: Sequence[str | Path], controls: Sequence[str | Path], path: str | Path) -> None:
    """Write the rows of the controls and of several generators as one table, and print it."""
    rows: list[Row] = [row for table in controls for row in control_rows(table)]
    rows += [row for table in tables for row in read_table(table, GENERATIVE_COLUMNS)]
    write_table(rows, path, GENERATIVE_COLUMNS)
    print(format_generators(path), flush=True)


def format_generators(path: str | Path) -> str:
    """Return the table at `path` as plain text for a terminal: a line for both modes of seen items, then the notes."""
    rows = read_table(path, GENERATIVE_COLUMNS)
    kept = {_key(row): f"{float(row['recall@10']):.4f}" for row in rows if row["seen"] == KEPT}
    lines: list[tuple[str, ...]] = [PRINTED_COLUMNS]
    lines += [_cells(row, kept.get(_key(row), "")) for row in rows if row["seen"] == REMOVED]
    notes = dict.fromkeys(f"{row['dataset']}: {row['note']}" for row in rows if row["note"])
    return "\n".join([*aligned(lines), *notes]) + "\n"


def _key(row: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(row[name] for name in ("dataset", "tokenizer", "generator", "ranking"))


def _cells(row: Mapping[str, str], kept: str) -> tuple[str, ...]:
    return (
        *_key(row),
        recall_with_interval(row),
        f"{float(row['ndcg@10']):.4f}",
        kept,
        f"{float(row['exact_share']):.3f}" if row["exact_share"] else "",
        f"{float(row['query_us']):,.0f}",
    )
