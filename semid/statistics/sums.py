"""Sums of rows by group, such as a code or a user, which are right however many rows are added."""

import torch
from torch import Tensor

# n equal values that are added one after another in float32 are off by up to n / 2^26 of their sum. Sums of no more
# rows than these stay in float32, where they are off by 3e-5 at most.
FEW_ROWS = 2048


def exact_zeros(*shape: int, device: torch.device | str) -> Tensor:
    """Make float64 zeros on a device, or on the CPU where the device (MPS) has no float64."""
    on_device = torch.device(device)
    return torch.zeros(*shape, dtype=torch.float64, device="cpu" if on_device.type == "mps" else on_device)


def empty_sums(count: int, dim: int, n: int, device: torch.device | str) -> Tensor:
    """Make zeros [count, dim], to which at most `n` rows will be added each time that they are emptied.

    They are float64 where there may be more than `FEW_ROWS`, and float32 elsewhere.
    """
    if n <= FEW_ROWS:
        return torch.zeros(count, dim, device=device)
    return exact_zeros(count, dim, device=device)


def add_rows(sums: Tensor, codes: Tensor, rows: Tensor, alpha: float = 1) -> Tensor:
    """Add rows [n, d], times `alpha`, to those of the sums [K, d] that codes int64 [n] name; return the sums."""
    return sums.index_add_(0, codes.to(sums.device), rows.to(sums), alpha=alpha)


def mean_rows(sums: Tensor, sizes: Tensor, device: torch.device | str) -> Tensor:
    """Return sums [K, d] divided by sizes [K] as float32 on the device; a size of zero gives the sum."""
    return (sums / sizes.to(sums.device).clamp(min=1)[:, None]).to(device, torch.float32)
