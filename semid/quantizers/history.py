"""The history of a training as a table, an epoch a row."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from semid.files import whole_file


def write_history(path: str | Path, history: Sequence[dict[str, Any]], epoch_kept: int) -> None:
    """Write an autoencoder's `history_` as CSV, epoch 0 first; `kept` is 1 in the row of `epoch_kept`.

    What is measured level by level gets a column a level, `perplexity_1` to `perplexity_L`; what epoch 0 has not,
    having trained nothing, is empty.
    """
    rows = [_flat({**epoch, "kept": epoch["epoch"] == epoch_kept}) for epoch in history]
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _flat(epoch: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in epoch.items():
        if isinstance(value, list):
            row.update({f"{name}_{level}": of_level for level, of_level in enumerate(value, start=1)})
        else:
            row[name] = int(value) if isinstance(value, bool) else value
    return row
