"""The training of a generator: every epoch is trained and saved, and some are measured and judged."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semid.errors import InputError
from semid.generative.model import Generator
from semid.generative.optimizer import new_optimizer, rate_at
from semid.generative.sequences import last_items, length_batches, padded_rows
from semid.retrieval.ragged import Ragged

logger = logging.getLogger(__name__)

# A training whose loss is no number begins again from its best epoch at half the learning rate, so often.
ROLLBACKS = 2
# Measures a model on the validation split: figures by their names, of which `ndcg@10` decides.
Measure = Callable[[Generator], dict[str, float]]


@dataclass
class Training:
    """Where a training stands after an epoch: all that it needs to go on from there.

    history: a record of every epoch; kept: the state of the model at the best measured epoch; step: the steps taken;
    random_state: that of torch's generator.
    """

    model: Generator
    optimizer: torch.optim.Optimizer
    history: list[dict[str, Any]]
    kept: dict[str, Tensor]
    step: int
    random_state: Tensor

    @property
    def epoch_kept(self) -> int:
        """The measured epoch of the highest NDCG@10, the first of equal ones; 0 before any was measured."""
        measured = [epoch for epoch in self.history if epoch.get("ndcg@10") is not None]
        return max(measured, key=lambda epoch: (epoch["ndcg@10"], -epoch["epoch"]))["epoch"] if measured else 0


def begin_training(model: Generator) -> Training:
    """Return the training of a model that has learnt nothing yet."""
    generator = torch.Generator().manual_seed(model.settings.seed)
    return Training(model, new_optimizer(model), [], {}, 0, generator.get_state())


def train(
    training: Training,
    sequences: Ragged,
    measure: Measure,
    save: Callable[[Training], None] = lambda training: None,
) -> int:
    """Train on sequences of two items and more until the last epoch, or until no measurement gets better.

    Leaves the model as it was at the epoch that is returned. Raises `InputError` when the loss is no longer a number.
    """
    settings = training.model.settings
    recent = last_items(sequences, settings.history + 1)
    shares = log_shares(sequences, len(training.model.codes)).to(training.model.codes.device)
    steps = count_steps(recent.lengths, settings.batch_positions, settings.epochs, settings.seed)
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(training.random_state)
        while len(training.history) < settings.epochs and not _has_stopped(training):
            started = time.monotonic()
            record = train_epoch(training, recent, shares, steps)
            epoch = record["epoch"]
            if epoch % settings.measure_every == 0 or epoch == settings.epochs:
                record |= measure(training.model)
            record["seconds"] = round(time.monotonic() - started, 3)
            training.history.append(record)
            if training.epoch_kept == epoch:
                training.kept = {name: value.detach().clone() for name, value in training.model.state_dict().items()}
            training.random_state = torch.get_rng_state()
            _log(record, settings.epochs)
            save(training)
    training.model.load_state_dict(training.kept)
    return training.epoch_kept


def train_epoch(training: Training, recent: Ragged, shares: Tensor, steps: int) -> dict[str, Any]:
    """Learn from every sequence once; return the means of the losses."""
    model, settings, epoch = training.model, training.model.settings, len(training.history) + 1
    order = np.random.default_rng((settings.seed, epoch))
    device = model.codes.device
    totals, targets = torch.zeros(1 + model.codes.shape[1], dtype=torch.float64, device=device), 0
    model.train()
    for rows in length_batches(recent.lengths, settings.batch_positions, order):
        item_loss, code_losses, count = model.losses(padded_rows(recent, rows).to(device), shares)
        loss = settings.item_weight * item_loss
        if len(code_losses):
            loss = loss + settings.code_weight * code_losses.mean()
        training.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_norm)
        for group in training.optimizer.param_groups:
            group["lr"] = settings.learning_rate * rate_at(training.step, steps, settings.warmup_steps)
        training.optimizer.step()
        training.step += 1
        totals[0] += item_loss.detach() * count
        totals[1 : 1 + len(code_losses)] += code_losses.detach() * count
        targets += count
    means = (totals / targets).tolist()
    if not np.isfinite(means).all():
        raise InputError(f"training diverged in epoch {epoch}: lower learning_rate")
    return {"epoch": epoch, "item_loss": means[0], "code_losses": means[1:], "targets": targets}


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
    measured = [epoch["epoch"] for epoch in training.history if epoch.get("ndcg@10") is not None]
    return len([epoch for epoch in measured if epoch > training.epoch_kept]) >= training.model.settings.patience


def _log(record: dict[str, Any], epochs: int) -> None:
    figures = " ".join(f"{name} {value:.4f}" for name, value in record.items() if "@" in name)
    left = record["seconds"] * (epochs - record["epoch"])
    logger.info(
        "epoch %d of %d: item loss %.3f, code losses %s%s, at most %.0f s left",
        record["epoch"],
        epochs,
        record["item_loss"],
        " ".join(f"{value:.3f}" for value in record["code_losses"]),
        f", validation {figures}" if figures else "",
        left,
    )
