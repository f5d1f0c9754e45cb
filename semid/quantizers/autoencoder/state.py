"""Where a training stands, and the rows that it learns from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from semid.quantizers.autoencoder.model import Autoencoder
from semid.quantizers.kernels.blocks import select_rows

HELD_OUT_SHARE = 0.05


@dataclass
class Training:
    """Where a training stands after an epoch: all that it needs to go on from there.

    `history` holds a record of every epoch, epoch 0 first. `kept` is the state of the model at the best epoch, with
    which the tokenizer ends. `resumed` is the state that training goes back to after a collapse. Both are the same,
    except while epoch 0 is the best: `kept` is then the start as it was, and `resumed` the start without what it learnt
    from held-out rows (:func:`~semid.quantizers.autoencoder.start.forget_held_out`). With `keep: last` both are empty.
    """

    model: Autoencoder
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    history: list[dict[str, Any]]
    kept: dict[str, Tensor]
    resumed: dict[str, Tensor]

    @property
    def learning_rate(self) -> float:
        """The learning rate of the epoch to come."""
        return self.optimizer.param_groups[0]["lr"]


class TrainingRows(NamedTuple):
    """The training rows float32 [n, dim], and of these the `fitted` and the `held_out`, all on the CPU."""

    whole: Tensor
    fitted: Tensor
    held_out: Tensor


def split_rows(rows: Tensor, generator: torch.Generator, scratch: str | Path | None) -> TrainingRows:
    """Hold out a share of rows [n, dim] at random; a single row is both fitted and held out."""
    order = torch.randperm(len(rows), generator=generator)
    n_held_out = max(1, round(HELD_OUT_SHARE * len(rows))) if len(rows) > 1 else 0
    held_out, fitted = (select_rows(rows, part, scratch) for part in order.tensor_split([n_held_out]))
    return TrainingRows(rows, fitted, held_out if n_held_out else rows)


def new_optimizer(model: Autoencoder, learning_rate: float) -> torch.optim.Optimizer:
    """Make the optimizer of the network, and of the codebooks where they learn by gradient."""
    return torch.optim.Adam(model.parameters(), lr=learning_rate)
