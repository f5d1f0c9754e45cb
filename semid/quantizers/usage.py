"""How evenly a tokenizer uses its codes: counts, perplexity, distinct codes, and the entropy that has a gradient."""

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def code_counts(codes: Tensor, codebook_size: int) -> Tensor:
    """Rows of each code, int64 [L, K], of codes [n, L]."""
    return torch.stack([torch.bincount(column, minlength=codebook_size) for column in codes.t()])


def perplexity(sizes: Tensor) -> Tensor:
    """exp of the entropy of each level's code distribution, [L], of counts [L, K]."""
    return torch.special.entr(sizes / sizes.sum(dim=1, keepdim=True)).sum(dim=1).exp()


def n_distinct(codes: Tensor, codebook_size: int) -> int:
    """Distinct rows of codes [n, L], without packing a row into one integer, which overflows."""
    groups = torch.zeros(len(codes), dtype=torch.int64)
    for column in codes.t():
        groups = torch.unique(groups * codebook_size + column, return_inverse=True)[1]
    return int(groups.max()) + 1


def distinct_rows(rows: Tensor, at_most: int, block: int = 16_384) -> int:
    """How many rows [n, d] differ, counted up to `at_most`, of which memory holds that many and a block."""
    found = rows[:0]
    for part in rows.split(block):
        found = torch.unique(torch.cat([found, part]), dim=0)
        if len(found) >= at_most:
            return at_most
    return len(found)


def usage_entropy(residuals: Tensor, codebook: Tensor, temperature: float, block: int = 256) -> Tensor:
    """Entropy in nats of the mean over rows of softmax(−‖r − c‖² / temperature), a scalar; at most log K.

    Soft, hence with a gradient for the residuals [n, d]; computed `block` rows at a time and recomputed in the
    backward pass, so that no n × K is held.
    """

    def probabilities(rows: Tensor) -> Tensor:
        scores = torch.addmm(norms, rows, codebook.t(), alpha=-2)
        return torch.softmax(-scores / temperature, dim=1).sum(dim=0)

    codebook = codebook.detach()
    norms = codebook.square().sum(dim=1)
    total = codebook.new_zeros(len(codebook))
    for rows in residuals.split(block):
        total = total + (
            checkpoint(probabilities, rows, use_reentrant=False) if rows.requires_grad else probabilities(rows)
        )
    # at 0, where softmax underflows, the gradient of the entropy is infinite
    shares = (total / len(residuals)).clamp(min=torch.finfo(total.dtype).tiny)
    return torch.special.entr(shares).sum()
