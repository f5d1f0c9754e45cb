"""The optimizer of a generator, and how its learning rate rises and falls."""

import math

import torch
from torch import nn

from semid.generative.model import Generator

BETAS = (0.9, 0.98)
# The learning rate ends at this share of its height.
LAST_SHARE = 0.05
# Parameters of which a row belongs to an item, a code or a position, and no decay pulls it to zero.
TABLES = ("free_vectors", "code_vectors", "prefixes", "codewords", "positions")


def new_optimizer(model: Generator) -> torch.optim.Optimizer:
    """Make AdamW, whose weight decay is for matrices alone, and not for tables of items and codes."""
    decayed: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        is_matrix = parameter.ndim == 2 and not any(table in name for table in TABLES)
        (decayed if is_matrix else others).append(parameter)
    groups = [{"params": decayed, "weight_decay": model.settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=model.settings.learning_rate, betas=BETAS, fused=True)


def rate_at(step: int, steps: int, warmup: int) -> float:
    """Return the share of the learning rate at a step of `steps`: a rise over the first, then half a cosine wave."""
    wave = 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))
    return min(1.0, (step + 1) / warmup) * (LAST_SHARE + (1 - LAST_SHARE) * wave)
