"""What a run found: a sentence a dataset, and at most eight rows of its table."""

import csv
from collections.abc import Mapping
from pathlib import Path

from semid.terminal import aligned, recall_with_interval

ROWS = 8
# what tokenizers are compared by: the candidates of this strategy, as many as the budget says, in their own order
STRATEGY, BUDGET, RERANK = "probe", "100", "exact"
REFERENCES = ("all", "popularity", "cooccurrence")
CONTROLS = "controls"
COLUMNS = ("dataset", "tokenizer", "candidates", "recall@10 [95 %]", "ndcg@10", "cand_recall", "entropy_bits")

Row = Mapping[str, str]


def read_rows(path: Path) -> list[Row]:
    """Return the rows of `results/offline_eval.csv`."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def headline(rows: list[Row]) -> list[str]:
    """Return, dataset by dataset, which tokenizer finds most at equal candidates, beside the whole catalogue."""
    sentences = []
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        of_dataset = [row for row in rows if row["dataset"] == dataset]
        whole = next((row for row in of_dataset if row["candidates"] == "all"), None)
        best = max(filter(_is_compared, of_dataset), key=_recall, default=None)
        note = next((row["note"] for row in of_dataset if row["note"]), "")
        if best is not None:
            of_whole = f"; the whole catalogue gives {_recall(whole):.4f}" if whole is not None else ""
            sentences.append(
                f"{dataset}: with {best['budget']} candidates {best['tokenizer']} finds most: Recall@10 "
                f"{recall_with_interval(best)}{of_whole}{f' ({note})' if note else ''}"
            )
    return sentences


def table_of(rows: list[Row]) -> tuple[list[str], int]:
    """Return lines with the rows that say most, and how many of all rows are not among them."""
    shown = sorted(filter(_is_shown, rows), key=lambda row: (row["dataset"], -_recall(row)))[:ROWS]
    return aligned([COLUMNS, *map(_cells, shown)]), len(rows) - len(shown)


def _cells(row: Row) -> list[str]:
    budget = "" if row["budget"] == "0" else f" {row['budget']}"
    figures = [_figure(row["ndcg@10"], 4), _figure(row["cand_recall"], 4), _figure(row["entropy_bits"], 1)]
    return [row["dataset"], row["tokenizer"], row["candidates"] + budget, recall_with_interval(row), *figures]


def _is_compared(row: Row) -> bool:
    return (row["candidates"], row["budget"], row["rerank"]) == (STRATEGY, BUDGET, RERANK) and not _is_control(row)


def _is_shown(row: Row) -> bool:
    return _is_compared(row) or (_is_control(row) and row["candidates"] in REFERENCES)


def _is_control(row: Row) -> bool:
    return row["tokenizer"] == CONTROLS


def _recall(row: Row) -> float:
    return float(row["recall@10"])


def _figure(text: str, digits: int) -> str:
    return f"{float(text):.{digits}f}" if text else ""
