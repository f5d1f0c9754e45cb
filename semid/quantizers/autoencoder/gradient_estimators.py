"""How the decoder's gradient passes the quantization, which has no gradient.

An estimator is a function of latent vectors [n, d] and of the quantized vectors [n, d] that they became. Its value is
the quantized vectors. The estimators differ in the gradient that reaches the latent vectors.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize

# a length counts as zero where it is below this share of the length that it is compared with
_TINY = 1e-6


def straight_through(latent: Tensor, quantized: Tensor) -> Tensor:
    """Return `quantized` [n, d], and pass its gradient to `latent` [n, d] as it is (Bengio et al., 2013)."""
    # the difference is zero: the value is the codeword to the last bit
    return quantized.detach() + (latent - latent.detach())


def rotation_trick(latent: Tensor, quantized: Tensor) -> Tensor:
    """Return `quantized` [n, d], and pass its gradient to `latent` [n, d] turned and scaled as they are to each other.

    Fifty et al., "Restructuring Vector Quantization with the Rotation Trick" (2024): q = (‖q‖ / ‖e‖) R e with the
    rotation R = I − 2 r rᵀ + 2 q̂ êᵀ, r = (ê + q̂) / ‖ê + q̂‖. R is taken as constant, and applied as products of
    vectors. Where q is opposite to e, R is the reflection that turns e around. Where either is zero, the gradient
    passes straight through.
    """
    e, q = latent.detach(), quantized.detach()
    length, new_length = e.norm(dim=1, keepdim=True), q.norm(dim=1, keepdim=True)
    unit, new_unit = normalize(e, dim=1), normalize(q, dim=1)
    r = normalize(unit + new_unit, dim=1, eps=_TINY)
    rotated = latent - 2 * r * (latent * r).sum(dim=1, keepdim=True)
    rotated = rotated + 2 * new_unit * (latent * unit).sum(dim=1, keepdim=True)
    zero = torch.minimum(length, new_length) <= _TINY * torch.maximum(length, new_length)
    carried = torch.where(zero, latent, rotated * (new_length / length.where(~zero, 1)))
    return q + (carried - carried.detach())


GRADIENT_ESTIMATORS = {"straight_through": straight_through, "rotation": rotation_trick}
