"""Dropout whose masks take an eighth of the random numbers, which on a CPU are a tenth of a step of training."""

import torch
from torch import Tensor, nn

# The share that is left out is a multiple of one part in so many.
PARTS = 256


class Dropout(nn.Module):
    """Leave out a share of the values while training, and scale the others so that their expectation stays.

    On a CPU torch draws one random number a value, and here eight values share one of 64 bits; elsewhere this is
    `torch.nn.functional.dropout`. The share is rounded to 256ths, and the scale is that of the rounded share.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.left_out = min(round(share * PARTS), PARTS - 1)

    def forward(self, values: Tensor) -> Tensor:
        """Return values of any shape."""
        if not self.training or not self.left_out:
            return values
        if values.device.type != "cpu":
            return nn.functional.dropout(values, self.share)
        drawn = torch.empty(-(-values.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        stays = drawn.view(torch.uint8)[: values.numel()] >= self.left_out
        return values * (stays.view(values.shape) * (PARTS / (PARTS - self.left_out)))
