"""The history of a training: an epoch as a record, as a line of the log, and as a row of a table."""

import csv
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from semid.files import whole_file

logger = logging.getLogger(__name__)


def epoch_record(
    epoch: int,
    losses: Mapping[str, float | None],
    held_out_error: float,
    usage: Mapping[str, Any],
    revived: int,
    learning_rate: float,
    seconds: float,
) -> dict[str, Any]:
    """Return what is known of an epoch, in the order of the columns of the table."""
    return {
        "epoch": epoch,
        **losses,
        "held_out_error": held_out_error,
        **usage,
        "revived": revived,
        "learning_rate": learning_rate,
        "seconds": round(seconds, 3),
        "rolled_back": False,
    }


def log_epoch(record: Mapping[str, Any], epochs: int) -> None:
    """Say what an epoch measured and, of a training of so many epochs, how long the others take at most."""
    epoch = record["epoch"]
    logger.info(
        "epoch %d of %d: held-out error %.5f, %d distinct codes, perplexity %s, usage entropy %s, %d revived%s",
        epoch,
        epochs,
        record["held_out_error"],
        record["unique_codes"],
        " ".join(f"{value:.0f}" for value in record["perplexity"]),
        " ".join(f"{value:.2f}" for value in record["usage_entropy"]),
        record["revived"],
        f", at most {record['seconds'] * (epochs - epoch):.0f} s left" if epoch else "",
    )


def log_outcome(history: Sequence[Mapping[str, Any]], epoch_kept: int, rollbacks: int) -> None:
    """Say which epoch was kept, and what it gained over epoch 0."""
    first, kept = history[0], history[epoch_kept]
    logger.info(
        "kept epoch %d: held-out error %.5f (epoch 0: %.5f), %d distinct codes (epoch 0: %d), %d rollbacks%s",
        epoch_kept,
        kept["held_out_error"],
        first["held_out_error"],
        kept["unique_codes"],
        first["unique_codes"],
        rollbacks,
        "" if epoch_kept else ": training bought nothing over its start",
    )


def write_history(path: str | Path, history: Sequence[Mapping[str, Any]], epoch_kept: int) -> None:
    """Write an autoencoder's `history_` as CSV, epoch 0 first; `kept` is 1 in the row of `epoch_kept`.

    What is measured level by level gets a column for each level, such as `perplexity_1` to `perplexity_L`. Epoch 0
    trained nothing, and its losses are empty.
    """
    rows = [_flat({**epoch, "kept": epoch["epoch"] == epoch_kept}) for epoch in history]
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _flat(epoch: Mapping[str, Any]) -> dict[str, Any]:
    """Return an epoch with a column for each level, and flags as 0 or 1."""
    row: dict[str, Any] = {}
    for name, value in epoch.items():
        if isinstance(value, list):
            row.update({f"{name}_{level}": level_value for level, level_value in enumerate(value, start=1)})
        else:
            row[name] = int(value) if isinstance(value, bool) else value
    return row
