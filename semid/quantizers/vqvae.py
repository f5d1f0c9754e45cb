"""VQ-VAE: one flat codebook inside an autoencoder (van den Oord et al., 2017)."""

from dataclasses import dataclass, field

from semid.checks import documented
from semid.quantizers.autoencoder import VectorQuantizedAutoencoder
from semid.quantizers.decoder import CodebookSize


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class VQVAE(VectorQuantizedAutoencoder):
    """An autoencoder whose latent vector is one codeword, so that a semantic ID is a single token."""

    num_levels: int = field(default=1, init=False)
    codebook_size: CodebookSize = 4096
    codebook_sizes: None = field(default=None, init=False)
