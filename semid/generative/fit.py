"""The training stage of a generator: one call a generator."""

import csv
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from semid.checkpoint import Checkpoint
from semid.evaluation.queries import Queries
from semid.files import whole_file
from semid.generative.checkpoint import restore_training, save_training, training_key
from semid.generative.files import (
    ON_CPU,
    GeneratorCompute,
    GeneratorFiles,
    GeneratorPlace,
    open_catalogue,
    open_interactions,
    validation_queries,
)
from semid.generative.saved import save_generator
from semid.generative.sequences import training_sequences
from semid.generative.settings import GeneratorSettings
from semid.generative.training import begin_training, train
from semid.registries import load
from semid.retrieval.ragged import Ragged, offsets_of

logger = logging.getLogger(__name__)

# What measures an epoch. It decides which epoch is kept and nothing that an epoch learns, so that work on how rankings
# are made does not train anew: a digest of code does not follow this import string.
MEASURE = "semid.generative.validation:EpochMeasure"


@dataclass(frozen=True)
class GeneratorOutputs:
    """The files that training writes: the model, and a table with a row an epoch.

    A checkpoint is kept in a folder beside the model until both are written.
    """

    model: str | Path
    history: str | Path


def fit_generator(
    place: GeneratorPlace,
    arguments: Mapping[str, Any],
    files: GeneratorFiles,
    outputs: GeneratorOutputs,
    compute: GeneratorCompute = ON_CPU,
) -> None:
    """Train a generator with these settings, and write its model and its history.

    Raises `InputError` for settings and files that cannot be used, and for a training whose loss is no number.
    """
    settings = GeneratorSettings(**arguments)
    device = compute.begin()
    catalogue, core = open_catalogue(place, files)
    interactions = open_interactions(files, core, "valid")
    sequences = training_sequences(interactions)
    queries = validation_queries(place, interactions, settings)
    training = begin_training(catalogue.model(settings).to(device))
    key = training_key(settings, catalogue, sequences, _with_targets(queries), str(device))
    checkpoint = Checkpoint(Path(outputs.model).parent / "checkpoint" / "training.safetensors", key)
    checkpoint.path.parent.mkdir(parents=True, exist_ok=True)
    restore_training(checkpoint, training)
    logger.info("%s learns from %d users, and is measured on %d", place, len(sequences), len(queries))
    measure = load(MEASURE)(queries, catalogue.index)
    epoch_kept = train(training, sequences, measure, lambda training: save_training(checkpoint, training))
    logger.info("kept epoch %d of %d", epoch_kept, len(training.history))
    write_history(outputs.history, training.history, epoch_kept)
    fitted = {"epochs": len(training.history), "epoch_kept": epoch_kept, "rollbacks": training.rollbacks}
    save_generator(training.model, outputs.model, fitted, {"name": str(place), "device": str(device)})
    # not before the model is written: until then the checkpoint is the only copy of what was learnt
    shutil.rmtree(checkpoint.path.parent)


def write_history(path: str | Path, history: Sequence[Mapping[str, Any]], epoch_kept: int) -> None:
    """Write the epochs of a training as CSV; what an epoch did not measure is empty, and `kept` is 1 in one row."""
    rows = [_flat({**epoch, "kept": epoch["epoch"] == epoch_kept}) for epoch in history]
    columns = dict.fromkeys(name for row in rows for name in row)
    last = ("learning_rate", "rolled_back", "kept", "seconds")
    names = [*(name for name in columns if name not in last), *last]
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _flat(epoch: Mapping[str, Any]) -> dict[str, Any]:
    """Return an epoch with a column for the loss of each level, and flags as 0 or 1."""
    row: dict[str, Any] = {}
    for name, value in epoch.items():
        if name == "code_losses":
            row |= {f"code_loss_{level}": loss for level, loss in enumerate(value, start=1)}
        else:
            row[name] = int(value) if isinstance(value, bool) else value
    return row


def _with_targets(queries: Queries) -> Ragged:
    """Return the history of every query with its target behind it, int64."""
    history = queries.history(slice(0, len(queries)))
    offsets = offsets_of(history.lengths + 1)
    values = np.empty(int(offsets[-1]), np.int64)
    is_target = np.zeros(len(values), bool)
    is_target[offsets[1:] - 1] = True
    values[is_target], values[~is_target] = queries.target, history.values
    return Ragged(values, offsets)
