"""The training of an autoencoder: every epoch is trained, measured, judged and saved."""

import copy
import logging
import math
import time
from typing import Any

import torch
from torch import Tensor

from semid.errors import InputError
from semid.progress import Progress
from semid.quantizers.autoencoder.checkpoint import Checkpoint, save_training
from semid.quantizers.autoencoder.history import epoch_record, log_epoch, log_outcome
from semid.quantizers.autoencoder.measures import code_usage, held_out_error
from semid.quantizers.autoencoder.model import LOSSES, Autoencoder
from semid.quantizers.autoencoder.options import AutoencoderOptions
from semid.quantizers.autoencoder.selection import Selection, collapse_floors, select_best
from semid.quantizers.autoencoder.start import forget_held_out
from semid.quantizers.autoencoder.state import Training, TrainingRows, new_optimizer
from semid.quantizers.autoencoder.usage import distinct_rows
from semid.quantizers.compute import Compute
from semid.statistics.sums import exact_zeros

logger = logging.getLogger(__name__)


def begin_training(
    model: Autoencoder, rows: TrainingRows, options: AutoencoderOptions, compute: Compute, generator: torch.Generator
) -> Training:
    """Measure a model that has started, as epoch 0 of its training.

    Epochs are compared with the start without the held-out rows and go on from there; but where the start itself is
    kept, it is kept as it was.
    """
    usage = code_usage(model, rows.whole, rows.held_out, compute)
    kept = resumed = copy.deepcopy(model.state_dict()) if options.keep == "best" else {}
    if options.keep == "best" and options.epochs:
        forget_held_out(model, rows.fitted, options.batch_size, compute, generator)
        resumed = copy.deepcopy(model.state_dict())
    error = held_out_error(model, rows.held_out, compute)
    untrained: dict[str, Any] = dict.fromkeys(("loss", *LOSSES))
    epoch_0 = epoch_record(0, untrained, error, usage, 0, options.learning_rate, 0.0)
    log_epoch(epoch_0, options.epochs)
    return Training(model, new_optimizer(model, options.learning_rate), generator, [epoch_0], kept, resumed)


def train(
    training: Training,
    rows: TrainingRows,
    options: AutoencoderOptions,
    compute: Compute,
    checkpoint: Checkpoint | None = None,
    verbose: bool = False,
) -> Selection:
    """Train until the last epoch, or until the selection ends it, and leave the model at the epoch that is kept.

    `verbose` shows the progress by epochs. Raises `InputError` when the error is no longer finite and `keep: last`
    would keep that epoch.
    """
    model, history = training.model, training.history
    sizes = [len(codebook) for codebook in model.codebooks]
    floors = collapse_floors(sizes, distinct_rows(rows.whole, max(sizes))) if options.keep == "best" else []
    selection = _select(history, options, floors)
    left = options.epochs + 1 - len(history)
    with Progress(left, "training", "epochs", shown=verbose and left > 0) as progress:
        while not selection.ended and len(history) <= options.epochs:
            started, epoch, learning_rate = time.monotonic(), len(history), training.learning_rate
            losses, revived = train_epoch(training, rows.fitted, options.batch_size, compute)
            usage = code_usage(model, rows.whole, rows.held_out, compute)
            error = held_out_error(model, rows.held_out, compute)
            seconds = time.monotonic() - started
            history.append(epoch_record(epoch, losses, error, usage, revived, learning_rate, seconds))
            log_epoch(history[-1], options.epochs)
            selection = _select(history, options, floors)
            if options.keep == "best":
                _follow(selection, training, options.patience)
            if checkpoint is not None:
                save_training(checkpoint, training)
            progress.update(1)
        progress.end_early()
    if options.keep == "best":
        model.load_state_dict(training.kept)
    log_outcome(history, selection.epoch_kept, selection.rollbacks)
    return selection


def train_epoch(training: Training, fitted: Tensor, batch_size: int, compute: Compute) -> tuple[dict[str, float], int]:
    """Train on every fitted row [n, dim] once; return the mean losses and the number of revived codes."""
    totals, revived = exact_zeros(len(LOSSES), device=compute.device), 0
    for batch in torch.randperm(len(fitted), generator=training.generator).split(batch_size):
        losses, revived_in_step = train_step(training, fitted[batch].to(compute.device), compute)
        totals += losses.to(totals) * len(batch)
        revived += revived_in_step
    means = dict(zip(LOSSES, (totals / len(fitted)).tolist(), strict=True))
    return {"loss": sum(means.values()), **means}, revived


def train_step(training: Training, rows: Tensor, compute: Compute) -> tuple[Tensor, int]:
    """Take one gradient step on rows [n, dim]; return the terms of the loss and the number of revived codes."""
    losses, assignments = training.model.loss(rows, compute.codeword_block)
    training.optimizer.zero_grad()
    losses.sum().backward()
    training.optimizer.step()
    return losses.detach(), training.model.update_averages(assignments, training.generator)


def _select(history: list[dict[str, Any]], options: AutoencoderOptions, floors: list[float]) -> Selection:
    """Select the epoch that is kept so far, as the option `keep` says."""
    if options.keep == "best":
        return select_best(history, floors, options.patience)
    last = history[-1]
    if last["epoch"] and not math.isfinite(last["held_out_error"]):
        raise InputError(f"training diverged in epoch {last['epoch']}: lower learning_rate, or use keep: best")
    return Selection(epoch_kept=last["epoch"])


def _follow(selection: Selection, training: Training, patience: int) -> None:
    """Keep the last epoch where it is the best, and undo it where codes collapsed."""
    last = training.history[-1]
    if selection.collapsed:
        _roll_back(selection, training)
    elif selection.epoch_kept == last["epoch"]:
        training.kept = training.resumed = copy.deepcopy(training.model.state_dict())
    elif selection.ended:
        logger.info("no better epoch in %d: training stops", patience)


def _roll_back(selection: Selection, training: Training) -> None:
    """Go back to the best epoch and, unless training ends, on from there at half the learning rate."""
    training.model.load_state_dict(training.resumed)
    for undone in training.history[selection.epoch_kept + 1 :]:
        undone["rolled_back"] = True
    levels, epoch = list(selection.collapsed), training.history[-1]["epoch"]
    if selection.ended:
        logger.warning("level %s collapsed again in epoch %d: training stops", levels, epoch)
        return
    learning_rate = training.learning_rate / 2
    training.optimizer = new_optimizer(training.model, learning_rate)
    logger.warning(
        "level %s collapsed in epoch %d: back to epoch %d, learning rate %g",
        levels,
        epoch,
        selection.epoch_kept,
        learning_rate,
    )
