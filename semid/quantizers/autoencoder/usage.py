"""How evenly a tokenizer uses its codes: counts, perplexity, distinct codes, and the entropy that has a gradient."""

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def code_counts(codes: Tensor, codebook_size: int) -> Tensor:
    """Count the rows of each code, int64 [L, K], of codes [n, L]."""
    return torch.stack([torch.bincount(column, minlength=codebook_size) for column in codes.t()])


def perplexity(sizes: Tensor) -> Tensor:
    """Return the perplexity of each level, float32 [L], from counts [L, K]: exp of the entropy, in nats, of its codes.

    It is K where all codes are used equally, and 1 where a level uses a single code.
    """
    return torch.special.entr(sizes / sizes.sum(dim=1, keepdim=True)).sum(dim=1).exp()


def n_distinct(codes: Tensor, codebook_size: int) -> int:
    """Count the distinct rows of codes [n, L], without packing a row into one integer, which might overflow."""
    groups = torch.zeros(len(codes), dtype=torch.int64)
    for column in codes.t():
        groups = torch.unique(groups * codebook_size + column, return_inverse=True)[1]
    return int(groups.max()) + 1


def distinct_rows(rows: Tensor, at_most: int, block: int = 16_384) -> int:
    """Count the distinct rows of [n, d], but at most `at_most`. Memory holds that many rows and one block of them."""
    distinct = rows[:0]
    for part in rows.split(block):
        distinct = torch.unique(torch.cat([distinct, part]), dim=0)
        if len(distinct) >= at_most:
            return at_most
    return len(distinct)


def usage_entropy(residuals: Tensor, codebook: Tensor, temperature: float, block: int = 256) -> Tensor:
    """Return the entropy in nats of the mean over rows of softmax(−‖r − c‖² / temperature), a scalar of at most log K.

    Since the assignment is soft, it has a gradient for the residuals [n, d]. It is computed `block` rows at a time, and
    computed again in the backward pass, so that no tensor of n × K is held.
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
    # where softmax underflows to 0, the gradient of the entropy would be infinite
    shares = (total / len(residuals)).clamp(min=torch.finfo(total.dtype).tiny)
    return torch.special.entr(shares).sum()
