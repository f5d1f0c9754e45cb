"""Encoder and decoder of the autoencoders."""

from itertools import pairwise

import torch
from torch import Tensor, nn


def _mlp(widths: list[int], zero_last: bool) -> nn.Sequential:
    """Make a perceptron with layers of these widths and ReLU in between; `zero_last` begins its last layer at zero."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    last = layers[-2]
    assert isinstance(last, nn.Linear)
    if zero_last:
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    return nn.Sequential(*layers[:-1])


class Network(nn.Module):
    """An encoder z = W(x − μ) + f(x − μ) and a decoder x̂ = Vz + g(z) + μ, where f and g are perceptrons.

    With a linear start the last layers of f and g begin at zero, so that the network begins as the linear map that
    `start` sets. Without a linear start it has neither W nor V.
    """

    mean: Tensor

    def __init__(self, dim: int, codebook_dim: int, hidden: tuple[int, ...], linear_start: bool) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.encode_linear = nn.Linear(dim, codebook_dim, bias=False) if linear_start else None
        self.decode_linear = nn.Linear(codebook_dim, dim, bias=False) if linear_start else None
        self.encode_mlp = _mlp([dim, *hidden, codebook_dim], zero_last=linear_start)
        self.decode_mlp = _mlp([codebook_dim, *reversed(hidden), dim], zero_last=linear_start)

    @torch.no_grad()
    def start(self, mean: Tensor, directions: Tensor) -> None:
        """Begin as the projection on `directions` [codebook_dim, dim] around `mean` [dim], and its transpose."""
        self.mean.copy_(mean)
        if self.encode_linear is not None and self.decode_linear is not None:
            self.encode_linear.weight.copy_(directions)
            self.decode_linear.weight.copy_(directions.t())

    def encode(self, rows: Tensor) -> Tensor:
        """Return latent vectors [n, codebook_dim] of rows [n, dim]."""
        centred = rows - self.mean
        latent = self.encode_mlp(centred)
        return latent if self.encode_linear is None else self.encode_linear(centred) + latent

    def decode(self, latent: Tensor) -> Tensor:
        """Return rows [n, dim] of latent vectors [n, codebook_dim]."""
        rows = self.decode_mlp(latent) + self.mean
        return rows if self.decode_linear is None else self.decode_linear(latent) + rows
