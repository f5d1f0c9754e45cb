"""The training of a generator: every epoch is trained and saved, and some are measured and judged."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semid.errors import InputError
from semid.generative.model import Generator
from semid.generative.optimizer import new_optimizer, rate_at
from semid.generative.sequences import length_batches, padded_rows, training_windows
from semid.progress import Progress
from semid.retrieval.ragged import Ragged
from semid.statistics.sums import exact_zeros

logger = logging.getLogger(__name__)

# A training whose loss is no number goes on from its best epoch at half the learning rate, so often.
ROLLBACKS = 2
# What the item head teaches with is made anew after so many steps, in which item vectors change little.
STEPS_OF_TEACHER = 8
# Measures a model on the validation split: figures by their names, of which `ndcg@10` decides.
Measure = Callable[[Generator], dict[str, float]]


@dataclass
class Training:
    """Where a training stands after an epoch: all that it needs to go on from there.

    history: a record of every epoch; kept: the state of the model at the best measured epoch, which is its start until
    one was measured; step: the steps taken; rollbacks: how often training went
    back to what is kept.
    """

    model: Generator
    optimizer: torch.optim.Optimizer
    history: list[dict[str, Any]]
    kept: dict[str, Tensor]
    step: int
    rollbacks: int = 0

    @property
    def learning_rate(self) -> float:
        """The learning rate at its height, which every rollback has halved."""
        return self.model.settings.learning_rate / 2**self.rollbacks

    @property
    def epoch_kept(self) -> int:
        """The measured epoch of the highest NDCG@10, the first of equal ones; 0 before any was measured."""
        measured = [epoch for epoch in self.history if epoch.get("ndcg@10") is not None]
        return max(measured, key=lambda epoch: (epoch["ndcg@10"], -epoch["epoch"]))["epoch"] if measured else 0


def begin_training(model: Generator) -> Training:
    """Return the training of a model that has learnt nothing yet."""
    return Training(model, new_optimizer(model), [], _state_of(model), 0)


def train(
    training: Training,
    sequences: Ragged,
    measure: Measure,
    save: Callable[[Training], None] = lambda training: None,
) -> int:
    """Train on sequences of two items and more until the last epoch, or until no measurement gets better.

    Leaves the model as it was at the epoch that is returned. Where the loss is no longer a number, training goes on
    from what is kept at half the learning rate; raises `InputError` when that has happened too often.
    """
    settings = training.model.settings
    windows = training_windows(sequences, settings.history)
    shares = log_shares(windows, len(training.model.codes)).to(training.model.codes.device)
    training.model.items.begin_training(shares > float("-inf"))
    if not training.history:
        training.kept = _state_of(training.model)
    steps = count_steps(windows.lengths, settings.batch_positions, settings.epochs, settings.seed)
    with torch.random.fork_rng(devices=[]):
        while len(training.history) < settings.epochs and not _has_stopped(training):
            started = time.monotonic()
            record = train_epoch(training, windows, shares, steps)
            epoch = record["epoch"]
            record["learning_rate"] = training.learning_rate
            record["rolled_back"] = not _is_finite(record, training.model)
            if not record["rolled_back"] and (epoch % settings.measure_every == 0 or epoch == settings.epochs):
                record |= measure(training.model)
            record["seconds"] = round(time.monotonic() - started, 3)
            training.history.append(record)
            if training.epoch_kept == epoch:
                training.kept = _state_of(training.model)
            _log(record, settings.epochs)
            if record["rolled_back"]:
                _roll_back(training)
            save(training)
    if not training.epoch_kept:
        raise InputError(
            "training diverged in every epoch that was to be measured: lower learning_rate under `generators:`"
        )
    training.model.load_state_dict(training.kept)
    return training.epoch_kept


def train_epoch(training: Training, windows: Ragged, shares: Tensor, steps: int) -> dict[str, Any]:
    """Learn from every sequence once; return the means of the losses."""
    model, settings, epoch = training.model, training.model.settings, len(training.history) + 1
    order = np.random.default_rng((settings.seed, epoch))
    # an epoch draws the same numbers wherever training began, on every device
    torch.manual_seed(int(order.integers(2**63)))
    device = model.codes.device
    totals, targets = exact_zeros(1 + model.codes.shape[1], device=device), 0
    model.train()
    batches = length_batches(windows.lengths, settings.batch_positions, order)
    for step, rows in enumerate(_with_progress(batches, len(windows), f"epoch {epoch} of {settings.epochs}")):
        if step % STEPS_OF_TEACHER == 0:
            teacher = model.teacher()
        item_loss, code_losses, count = model.losses(padded_rows(windows, rows).to(device), shares, teacher)
        loss = settings.item_weight * item_loss
        if len(code_losses):
            loss = loss + settings.code_weight * code_losses.mean()
        training.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_norm)
        for group in training.optimizer.param_groups:
            group["lr"] = training.learning_rate * rate_at(training.step, steps, settings.warmup_steps)
        training.optimizer.step()
        training.step += 1
        totals[0] += item_loss.detach().to(totals.device) * count
        totals[1 : 1 + len(code_losses)] += code_losses.detach().to(totals.device) * count
        targets += count
    means = (totals / targets).tolist()
    return {"epoch": epoch, "item_loss": means[0], "code_losses": means[1:], "targets": targets}


def _with_progress(batches: Iterator[np.ndarray], sequences: int, what: str) -> Iterator[np.ndarray]:
    """Yield batches of rows, and say how many sequences of an epoch are done, and how long the others take."""
    with Progress(sequences, what, "sequences") as progress:
        for rows in batches:
            yield rows
            progress.update(len(rows))


def _is_finite(record: dict[str, Any], model: Generator) -> bool:
    """Return whether the losses of an epoch, and the parameters of the model after it, are numbers."""
    losses = np.isfinite([record["item_loss"], *record["code_losses"]]).all()
    return bool(losses) and all(bool(parameter.isfinite().all()) for parameter in model.parameters())


def _roll_back(training: Training) -> None:
    """Go back to what is kept and, unless this has happened too often, on from there at half the learning rate."""
    epoch, kept = len(training.history), training.epoch_kept
    if training.rollbacks == ROLLBACKS:
        raise InputError(
            f"training diverged in epoch {epoch}, and again at the learning rate {training.learning_rate:g}, a quarter "
            "of the one given: lower learning_rate of this generator under `generators:`"
        )
    training.rollbacks += 1
    training.model.load_state_dict(training.kept)
    training.optimizer = new_optimizer(training.model)
    for record in training.history[kept:]:
        record["rolled_back"] = True
    logger.warning(
        "the loss of epoch %d is no number: back to epoch %d, learning rate %g", epoch, kept, training.learning_rate
    )


def _state_of(model: Generator) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def log_shares(sequences: Ragged, num_items: int) -> Tensor:
    """Return float32 [items]: the logarithm of the share of targets that each item is; −inf for none."""
    is_target = np.ones(len(sequences.values), bool)
    is_target[sequences.offsets[:-1]] = False
    counts = np.bincount(sequences.values[is_target], minlength=num_items)
    return torch.from_numpy(counts / counts.sum()).log().float()


def count_steps(lengths: np.ndarray, positions: int, epochs: int, seed: int) -> int:
    """Return the number of steps of so many epochs, about: batches of an epoch differ in number by a few."""
    return epochs * sum(1 for _ in length_batches(lengths, positions, np.random.default_rng((seed, 0))))


def _has_stopped(training: Training) -> bool:
    """Whether the last `patience` measurements were no better than one before them."""
    measured = [
        epoch["epoch"] for epoch in training.history if epoch.get("ndcg@10") is not None and not epoch["rolled_back"]
    ]
    return len([epoch for epoch in measured if epoch > training.epoch_kept]) >= training.model.settings.patience


def _log(record: dict[str, Any], epochs: int) -> None:
    figures = " ".join(f"{name} {value:.4f}" for name, value in record.items() if "@" in name)
    of_codes = " ".join(f"{value:.3f}" for value in record["code_losses"])
    left = record["seconds"] * (epochs - record["epoch"])
    logger.info(
        "epoch %d of %d: item loss %.3f%s%s, at most %.0f s left",
        record["epoch"],
        epochs,
        record["item_loss"],
        f", code losses {of_codes}" if of_codes else "",
        f", validation {figures}" if figures else "",
        left,
    )
