"""RQ-VAE: residual quantization inside an autoencoder (Lee et al., 2022).

As semantic IDs: TIGER (Rajput et al., 2023).
The default begins as an RQ-KMeans along the principal directions and trains from there, the family called RQ-KMeans+
in GPR and MiniOneRec. `linear_start=False` with `hidden=(512, 256, 128)` and `keep="last"` is the network of TIGER.
"""

from dataclasses import dataclass
from typing import Annotated

from semid.checks import Pattern, doc
from semid.quantizers.autoencoder import CodebookDim, Patience, VectorQuantizedAutoencoder


@dataclass(kw_only=True, eq=False)
class RQVAE(VectorQuantizedAutoencoder):
    """An autoencoder whose latent vector is the sum of one codeword a level; `num_levels` codes a semantic ID.

    It trains all `epochs`: as wide as the embeddings it may begin to gain after twenty.
    """

    @dataclass(frozen=True)
    class Start:
        """Where the workflow lets training begin."""

        init: Annotated[
            str,
            Pattern(
                r"^(kmeans|rqkmeans(-[a-z][a-z0-9_]*)?)$(?!\n)", "kmeans, rqkmeans or a variant such as rqkmeans-pca32"
            ),
            doc(
                "The RQ-KMeans variant to start from, of the same size and seed, which is made first; or `kmeans`: "
                "residual k-means in the training job. The start's width must be `codebook_dim`."
            ),
        ] = "rqkmeans-pca32"

    codebook_dim: CodebookDim = 32
    patience: Patience = 0
