"""How a training starts: the projection and the codebooks of the model before its first epoch."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from semid.errors import InputError
from semid.quantizers.autoencoder.model import Autoencoder
from semid.quantizers.autoencoder.options import AutoencoderOptions
from semid.quantizers.compute import Compute, latent_rows
from semid.quantizers.decoder import Decoder
from semid.quantizers.kernels.kmeans import SEED_SCALE, residual_kmeans
from semid.quantizers.kernels.principal_components import distant_mean, principal_directions
from semid.statistics.sums import add_rows, empty_sums, mean_rows

if TYPE_CHECKING:
    from semid.quantizers.rqkmeans import RQKMeans


def check_start(start: Decoder) -> None:
    """Raise `InputError` for a start that is no RQ-KMeans, or one that is not fitted."""
    if not hasattr(start, "pca_dim"):
        raise InputError(f"cannot start from a tokenizer of class {type(start).__name__}; expected RQKMeans")
    start._check_fitted()


@torch.no_grad()
def start_from_rqkmeans(model: Autoencoder, start: "RQKMeans", linear_start: bool, batch_size: int) -> None:
    """Give the model the projection and the codebooks of an RQ-KMeans.

    Raises `InputError` unless its codebooks have the sizes and the width of the model's, it was fitted on vectors as
    wide, and the network has a linear start.
    """
    sizes = tuple(len(codebook) for codebook in model.codebooks)
    shape = tuple(start.codebooks_.shape)
    expected_shape = (len(sizes), max(sizes), model.width)
    if start.dim != model.dim or shape != expected_shape or start.sizes != sizes or not linear_start:
        raise InputError(
            f"cannot start from codebooks of shape {shape} and sizes {start.sizes}, of vectors {start.dim} wide: "
            f"expected shape {expected_shape} (levels, codebook_size, codebook_dim), sizes {sizes}, vectors "
            f"{model.dim} wide, and linear_start; start from the RQ-KMeans whose pca_dim is this codebook_dim, or use "
            "init: kmeans"
        )
    model.network.start(start.mean_, start.directions_ if start.pca_dim else torch.eye(model.dim))
    _start_codebooks(model, start.codebooks_, start.cluster_sizes_, batch_size)


@torch.no_grad()
def start_from_rows(
    model: Autoencoder,
    rows: Tensor,
    options: AutoencoderOptions,
    seed: int,
    compute: Compute,
    verbose: bool = False,
) -> None:
    """Give the model a projection of rows [n, dim], and codebooks by residual k-means of what it encodes them to.

    With a linear start the projection is on the principal directions, or the identity where the codebooks are as wide
    as the rows. `verbose` shows the progress of the k-means.
    """
    if not options.linear_start:
        model.network.mean.copy_(distant_mean(rows))
    elif model.width < model.dim:
        mean, directions = principal_directions(rows, model.width)
        model.network.start(mean, directions)
    else:
        model.network.start(distant_mean(rows), torch.eye(model.dim))
    codebooks, cluster_sizes = residual_kmeans(
        latent_rows(model.network.encode, rows, compute),
        [len(codebook) for codebook in model.codebooks],
        iterations=options.kmeans_iters,
        seed=seed,
        seed_scale=SEED_SCALE,
        row_block=compute.batch_size,
        codeword_block=compute.codeword_block,
        scratch=compute.scratch,
        verbose=verbose,
    )
    _start_codebooks(model, codebooks, cluster_sizes, min(options.batch_size, len(rows)))


@torch.no_grad()
def forget_held_out(
    model: Autoencoder, fitted: Tensor, batch_size: int, compute: Compute, generator: torch.Generator
) -> None:
    """Move every codeword to the mean of the fitted rows that it serves, level by level.

    The start has learnt from the held-out rows too, so that its error on them could not be compared with that of an
    epoch. A codeword that serves no fitted row moves to one, which is drawn without replacement in proportion to its
    squared error.
    """
    for level, residual, codes in model.walk(latent_rows(model.network.encode, fitted, compute), compute):
        codebook = model.codebooks[level]
        sizes = torch.bincount(codes, minlength=len(codebook))
        sums = empty_sums(len(codebook), codebook.shape[1], len(residual), residual.device)
        parts = list(zip(residual.split(compute.batch_size), codes.split(compute.batch_size), strict=True))
        for part, part_codes in parts:
            add_rows(sums, part_codes, part)
        means = mean_rows(sums, sizes, residual.device)
        errors = [(part - means.index_select(0, part_codes)).square().sum(dim=1) for part, part_codes in parts]
        # a row alone in its cluster is drawn last: it would only change its code, and leave the old code unused
        weights = torch.cat(errors).cpu() / torch.empty(len(residual)).exponential_(generator=generator)
        empty = (sizes == 0).nonzero().flatten()[: len(residual)]
        means[empty] = residual[weights.topk(len(empty)).indices.to(residual.device)]
        model.levels[level].start(means, sizes.clamp(min=1), min(batch_size, len(fitted)))


def _start_codebooks(
    model: Autoencoder, codebooks: Iterable[Tensor], cluster_sizes: Iterable[Tensor], batch_size: int
) -> None:
    """Start every level at its codebook and cluster sizes, without the rows beyond its size."""
    for level, codebook, counts in zip(model.levels, codebooks, cluster_sizes, strict=True):
        size = len(level.codebook)
        level.start(codebook[:size], counts[:size], batch_size)
