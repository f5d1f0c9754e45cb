"""Codebooks that follow their residuals by exponential moving averages (van den Oord et al., 2017, appendix A.1)."""

import torch
from torch import Tensor, nn

from semid.statistics.sums import add_rows, empty_sums


class EMACodebook(nn.Module):
    """A codebook [K, d] with the moving counts [K] and sums [K, d] of the residuals that it serves.

    `decay` is that of the moving averages, and `eps` the Laplace smoothing of the counts. A code whose moving count
    falls under the share `threshold_ema_dead_code` of batch / K moves to a random residual of the batch. All three
    tensors are buffers. With `by_gradient` the codebook is a parameter instead, which an optimizer moves; `update` is
    not called then, and counts and sums stay as they started.
    """

    codebook: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(
        self,
        codebook_size: int,
        dim: int,
        decay: float,
        eps: float,
        threshold_ema_dead_code: float,
        by_gradient: bool = False,
    ) -> None:
        super().__init__()
        self.decay, self.eps, self.threshold_ema_dead_code = decay, eps, threshold_ema_dead_code
        if by_gradient:
            self.codebook = nn.Parameter(torch.zeros(codebook_size, dim))
        else:
            self.register_buffer("codebook", torch.zeros(codebook_size, dim))
        self.register_buffer("counts", torch.zeros(codebook_size))
        self.register_buffer("sums", torch.zeros(codebook_size, dim))

    @torch.no_grad()
    def start(self, codebook: Tensor, cluster_sizes: Tensor, batch_size: int) -> None:
        """Begin at a k-means codebook [K, d], as if long fed with batches that follow its cluster sizes [K]."""
        shares = cluster_sizes / cluster_sizes.sum()
        self.codebook.copy_(codebook)
        self.counts.copy_(shares * batch_size)
        self.sums.copy_(self.counts[:, None] * self.codebook)

    @torch.no_grad()
    def update(self, residuals: Tensor, codes: Tensor, generator: torch.Generator) -> int:
        """Move the codebook by a batch of residuals [n, d] and their codes [n]; return the number of codes revived.

        With the decay γ: N ← γ N + (1 − γ) n and m ← γ m + (1 − γ) Σ x. A codeword is m / Ñ, with the smoothed counts
        Ñ = (N + ε) / (Σ N + K ε) · Σ N.
        """
        size = len(self.codebook)
        self.counts.mul_(self.decay).add_(torch.bincount(codes, minlength=size), alpha=1 - self.decay)
        batch_sums = empty_sums(size, self.sums.shape[1], len(residuals), self.sums.device)
        add_rows(batch_sums, codes, residuals)
        self.sums.mul_(self.decay).add_(batch_sums.to(self.sums), alpha=1 - self.decay)
        total = self.counts.sum()
        smoothed = (self.counts + self.eps) / (total + size * self.eps) * total
        self.codebook.copy_(self.sums / smoothed[:, None])
        fair_share = len(residuals) / size
        dead = (self.counts < self.threshold_ema_dead_code * fair_share).nonzero().flatten()
        if len(dead):
            chosen = torch.randint(len(residuals), (len(dead),), generator=generator).to(residuals.device)
            self.codebook[dead] = residuals[chosen]
            self.counts[dead] = fair_share
            self.sums[dead] = fair_share * residuals[chosen]
        return len(dead)
