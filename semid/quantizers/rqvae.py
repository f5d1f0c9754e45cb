"""RQ-VAE: residual quantization inside an autoencoder (Lee et al., 2022).

As semantic IDs: TIGER (Rajput et al., 2023).
The default begins as an RQ-KMeans along the principal directions and trains from there, the family called RQ-KMeans+
in GPR and MiniOneRec. `linear_start=False` with `hidden=(512, 256, 128)` and `keep="last"` is the network of TIGER.
"""

from dataclasses import dataclass

from semid.quantizers.autoencoder import VectorQuantizedAutoencoder


@dataclass(kw_only=True, eq=False)
class RQVAE(VectorQuantizedAutoencoder):
    """An autoencoder whose latent vector is the sum of one codeword a level; `num_levels` codes a semantic ID.

    It trains all `epochs`: as wide as the embeddings it may begin to gain after twenty.
    """

    codebook_dim: int = 32
    patience: int = 0
