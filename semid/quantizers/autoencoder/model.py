"""The model of the autoencoders: encoder and decoder, a codebook for each level, and the loss of a batch."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from semid.errors import InputError
from semid.quantizers.autoencoder.ema import EMACodebook
from semid.quantizers.autoencoder.gradient_estimators import GRADIENT_ESTIMATORS
from semid.quantizers.autoencoder.network import Network
from semid.quantizers.autoencoder.options import AutoencoderOptions
from semid.quantizers.autoencoder.usage import usage_entropy
from semid.quantizers.compute import Compute
from semid.quantizers.kernels.nearest import NearestCodeword
from semid.quantizers.kernels.residual import level_codebooks, residual_codes, residual_walk, sum_of_codewords

# the terms of the loss, in the order of `Autoencoder.loss`
LOSSES = ("reconstruction_loss", "commitment_loss", "codebook_loss", "usage_loss")


class Assignment(NamedTuple):
    """What a level quantized of a batch: residuals [n, d] without a gradient, and their codes int64 [n]."""

    residuals: Tensor
    codes: Tensor


class Autoencoder(nn.Module):
    """An encoder, a residual quantizer with a codebook for each level, and a decoder, trained together.

    `dim` is the width of the vectors, and `sizes` holds the codebook size of every level. Raises `InputError` when a
    linear start would need more principal directions than the vectors have columns.
    """

    levels: Sequence[EMACodebook]

    def __init__(self, dim: int, sizes: Sequence[int], options: AutoencoderOptions) -> None:
        super().__init__()
        width = options.codebook_dim or dim
        if options.linear_start and width > dim:
            raise InputError(f"codebook_dim is {width}, but the vectors have {dim} columns: set it to {dim} at most")
        self.dim, self.width = dim, width
        self.by_gradient = options.codebook_update == "gradient"
        self.commitment_weight = options.commitment_weight
        self.usage_weight = options.usage_weight
        self.usage_temperature = options.usage_temperature
        self.pass_gradient = GRADIENT_ESTIMATORS[options.gradient_estimator]
        self.network = Network(dim, width, options.hidden, options.linear_start)
        codebooks = nn.ModuleList(
            EMACodebook(size, width, options.decay, options.eps, options.threshold_ema_dead_code, self.by_gradient)
            for size in sizes
        )
        self.levels = cast(Sequence[EMACodebook], codebooks)

    @property
    def codebooks(self) -> list[Tensor]:
        """The codebook [K, d] of every level."""
        return [level.codebook for level in self.levels]

    def padded_codebooks(self) -> Tensor:
        """Return the codebooks as one tensor [L, K, d] without a gradient, zero beyond the size of a level."""
        return pad_sequence(self.codebooks, batch_first=True).detach()

    def encoder(self, codeword_block: int) -> Callable[[Tensor], Tensor]:
        """Return a function from rows [n, dim] to codes int64 [n, L], for the codebooks as they are now."""
        codebooks = level_codebooks(self.padded_codebooks(), [len(codebook) for codebook in self.codebooks])
        levels = [NearestCodeword(codebook, codeword_block) for codebook in codebooks]
        return lambda rows: residual_codes(self.network.encode(rows), levels, codebooks)

    def decode(self, codes: Tensor) -> Tensor:
        """Return rows [n, dim] of codes int64 [n, L]."""
        return self.network.decode(sum_of_codewords(self.padded_codebooks(), codes))

    def walk(self, latent: Tensor, compute: Compute) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Walk over latent rows [n, d], which are overwritten, as :func:`residual_walk` does.

        The codebook of a level may still change until its turn comes.
        """

        def choose(level: int, residual: Tensor) -> Tensor:
            nearest = NearestCodeword(codebooks[level], compute.codeword_block)
            return torch.cat([nearest.codes(part) for part in residual.split(compute.batch_size)])

        codebooks = self.codebooks
        return residual_walk(latent, len(codebooks), choose, codebooks, compute.batch_size)

    def loss(self, rows: Tensor, codeword_block: int) -> tuple[Tensor, list[Assignment]]:
        """Return the terms of the loss of rows [n, dim], a tensor [4] in the order of `LOSSES`, and what was quantized.

        Every term is a mean over rows of sums over dimensions: the squared error of the reconstruction;
        `commitment_weight` times the squared distance of every level's residual to its codeword, which pulls the
        encoder; the same distance, which pulls codewords that learn by gradient; and −`usage_weight` times the entropy
        of the batch mean of softmax(−distance² / `usage_temperature`) of every level.

        The gradient of the decoder reaches the encoder once, for the sum of all codewords: residuals subtract detached
        codewords, so that a level has no other way to the decoder.
        """
        latent = self.network.encode(rows)
        quantized = torch.zeros_like(latent)
        commitment = codebook_loss = usage = latent.new_zeros(())
        codebooks = self.codebooks
        assignments = []

        def nearest(level: int, residual: Tensor) -> Tensor:
            return NearestCodeword(codebooks[level].detach(), codeword_block).codes(residual.detach())

        # detached codewords are subtracted, or the commitment of later levels would never reach the encoder
        for level, residual, codes in residual_walk(latent, len(codebooks), nearest, codebooks, in_place=False):
            codeword = codebooks[level].index_select(0, codes)
            commitment = commitment + _mean_square(residual - codeword.detach())
            if self.by_gradient:
                codebook_loss = codebook_loss + _mean_square(residual.detach() - codeword)
            if self.usage_weight:
                usage = usage - self.usage_weight * usage_entropy(residual, codebooks[level], self.usage_temperature)
            assignments.append(Assignment(residual.detach(), codes))
            quantized = quantized + codeword.detach()
        quantized = self.pass_gradient(latent, quantized)
        reconstruction = _mean_square(self.network.decode(quantized) - rows)
        return torch.stack([reconstruction, self.commitment_weight * commitment, codebook_loss, usage]), assignments

    def update_averages(self, assignments: Sequence[Assignment], generator: torch.Generator) -> int:
        """Move the codebooks by what a batch was quantized to, and return how many codes were revived.

        Codebooks that learn by gradient stay as they are.
        """
        if self.by_gradient:
            return 0
        return sum(
            level.update(residuals, codes, generator)
            for level, (residuals, codes) in zip(self.levels, assignments, strict=True)
        )


def _mean_square(differences: Tensor) -> Tensor:
    """Return the mean over rows of the squared length of differences [n, d]."""
    return differences.square().sum(dim=1).mean()
