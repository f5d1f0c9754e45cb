"""What is measured of a model after every epoch: its error on held-out rows, and how it uses its codes."""

from typing import Any

import torch
from torch import Tensor

from semid.quantizers.autoencoder.model import Autoencoder
from semid.quantizers.autoencoder.usage import code_counts, n_distinct, perplexity, usage_entropy
from semid.quantizers.compute import Compute, latent_rows


@torch.inference_mode()
def codes_of(model: Autoencoder, rows: Tensor, compute: Compute) -> Tensor:
    """Encode rows [n, dim] block by block, and return their codes int64 [n, L] on the CPU."""
    encode = model.encoder(compute.codeword_block)
    return torch.cat([encode(part.to(compute.device)).cpu() for part in rows.split(compute.batch_size)])


@torch.inference_mode()
def held_out_error(model: Autoencoder, held_out: Tensor, compute: Compute) -> float:
    """Return the mean squared distance of held-out rows [n, dim] to their reconstruction."""
    encode = model.encoder(compute.codeword_block)
    total = 0.0
    for part in held_out.split(compute.batch_size):
        rows = part.to(compute.device)
        total += float((model.decode(encode(rows)) - rows).square().sum())
    return total / len(held_out)


@torch.inference_mode()
def code_usage(model: Autoencoder, rows: Tensor, held_out: Tensor, compute: Compute) -> dict[str, Any]:
    """Return the number of distinct semantic IDs of rows [n, dim], and for each level how evenly its codes are used.

    `used_codes` and `perplexity` are those of the rows, and `usage_entropy` is that of the held-out rows.
    """
    entropies = [
        float(usage_entropy(residual, model.codebooks[level], model.usage_temperature))
        for level, residual, _ in model.walk(latent_rows(model.network.encode, held_out, compute), compute)
    ]
    codes = codes_of(model, rows, compute)
    codebook_size = max(len(codebook) for codebook in model.codebooks)
    sizes = code_counts(codes, codebook_size)
    return {
        "unique_codes": n_distinct(codes, codebook_size),
        "used_codes": (sizes > 0).sum(dim=1).tolist(),
        "perplexity": perplexity(sizes).tolist(),
        "usage_entropy": entropies,
    }
