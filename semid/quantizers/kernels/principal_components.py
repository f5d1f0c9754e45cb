"""Exact principal components of vectors that need not fit in memory, and their mean where it is far from the origin."""

import torch
from torch import Tensor

from semid.quantizers.kernels.blocks import float32_blocks
from semid.quantizers.kernels.inputs import Vectors

# vectors count as far from the origin where the squared length of their mean is above this multiple of their variance
FAR = 16


def principal_directions(vectors: Vectors, n_directions: int, block: int = 4096) -> tuple[Tensor, Tensor]:
    """Return the mean [dim] and the leading orthonormal directions [n_directions, dim] of vectors, both float32.

    The directions are eigenvectors of the covariance, which is summed in float64 in two passes. The largest entry of
    each direction is positive, so that the result does not depend on the sign that the solver chooses.
    """
    n, dim = vectors.shape
    mean = torch.zeros(dim, dtype=torch.float64)
    for _, rows in float32_blocks(vectors, block):
        mean += rows.sum(dim=0, dtype=torch.float64)
    mean /= n
    covariance = torch.zeros(dim, dim, dtype=torch.float64)
    for _, rows in float32_blocks(vectors, block):
        centred = rows - mean.float()
        covariance += centred.t() @ centred
    directions = torch.linalg.eigh(covariance).eigenvectors.flip(1)[:, :n_directions].t()
    largest = directions.gather(1, directions.abs().argmax(dim=1, keepdim=True))
    return mean.float(), (directions * largest.sign()).float().contiguous()


def distant_mean(vectors: Vectors, block: int = 4096) -> Tensor:
    """Return the mean of vectors [n, dim], float32 [dim], where ‖mean‖² > 16 · mean ‖x − mean‖², and zeros elsewhere.

    float32 distances are differences of squared lengths, of which little but rounding is left so far from the origin.
    """
    n, dim = vectors.shape
    mean, length = torch.zeros(dim, dtype=torch.float64), 0.0
    for _, rows in float32_blocks(vectors, block):
        mean += rows.sum(dim=0, dtype=torch.float64)
        length += float(rows.square().sum(dim=1).sum(dtype=torch.float64))
    mean /= n
    squared = float(mean.square().sum())
    return mean.float() if squared > FAR * (length / n - squared) else torch.zeros(dim)


def project(rows: Tensor, mean: Tensor, directions: Tensor) -> Tensor:
    """Return coordinates [n, k] of rows [n, dim], less the mean, along directions [k, dim]."""
    return torch.nn.functional.linear(rows - mean, directions)
