"""VQ-VAE: one flat codebook inside an autoencoder (van den Oord et al., 2017)."""

from dataclasses import dataclass, field

from semid.checks import documented
from semid.quantizers.autoencoder import Patience, VectorQuantizedAutoencoder
from semid.quantizers.decoder import CodebookSize


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class VQVAE(VectorQuantizedAutoencoder):
    """An autoencoder whose latent vector is one codeword, so that a semantic ID is a single token.

    As wide as the embeddings, it is best as the k-means that it begins as: training ends after a few epochs that are no
    better (docs/findings/tokenizers.md). With a lower `codebook_dim` it learns, from a larger error.
    """

    num_levels: int = field(default=1, init=False)
    codebook_size: CodebookSize = 4096
    codebook_sizes: None = field(default=None, init=False)
    patience: Patience = 5
