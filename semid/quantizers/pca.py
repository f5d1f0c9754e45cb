"""Where vectors that need not fit in memory lie: exact principal components, and their mean where it is far."""

import torch
from torch import Tensor

from semid.quantizers.blocks import Vectors, float32_blocks

# the squared length of a mean over the variance, from which vectors count as far from the origin
FAR = 16


def principal_directions(vectors: Vectors, n_directions: int, block: int = 4096) -> tuple[Tensor, Tensor]:
    """Mean [dim] and the leading orthonormal directions [n_directions, dim], both float32.

    Eigenvectors of the covariance, accumulated in float64 in two passes; the largest entry of each direction is
    positive, so that the result does not depend on the solver's choice of sign.
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
    """The mean, float32 [dim], of vectors [n, dim] where ‖mean‖² > 16 · mean ‖x − mean‖²; elsewhere zeros.

    float32 distances are differences of squared lengths: so far from the origin little but rounding is left of them.
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
    """Coordinates [n, k] of rows [n, dim] along directions [k, dim] after subtracting the mean."""
    return torch.nn.functional.linear(rows - mean, directions)
