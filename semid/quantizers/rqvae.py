"""RQ-VAE: residual quantization inside an autoencoder (Lee et al., 2022), used for semantic IDs by TIGER.

By default it begins as an RQ-KMeans and trains from there, as the family that GPR and
MiniOneRec call RQ-KMeans+ does. `linear_start=False` with `codebook_dim=32`, `hidden=(512, 256, 128)` and `keep="last"`
is the network of TIGER (Rajput et al., 2023).
"""

from dataclasses import dataclass
from typing import Annotated

from semid.checks import Pattern, doc, documented
from semid.quantizers.autoencoder import Epochs, Patience, VectorQuantizedAutoencoder


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class RQVAE(VectorQuantizedAutoencoder):
    """An autoencoder whose latent vector is the sum of one codeword of each of `num_levels` levels.

    By default its codebooks are as wide as the embeddings: docs/findings/tokenizers.md has the widths that were
    compared. It trains all `epochs`, because it may begin to gain only after twenty.
    """

    @dataclass(frozen=True)
    class Start:
        """Where the workflow lets training begin."""

        init: Annotated[
            str,
            Pattern(
                r"^(kmeans|rqkmeans(-[a-z][a-z0-9_]*)?)$(?!\n)", "kmeans, rqkmeans or a variant such as rqkmeans-pca96"
            ),
            doc(
                "The RQ-KMeans variant to start from, of the same size and seed, which is made first; or `kmeans`: "
                "residual k-means in the training job, which begins as `seed_scale: 0.35` of `rqkmeans` does. The "
                "start's width must be `codebook_dim`."
            ),
        ] = "rqkmeans"

    epochs: Epochs = 30
    patience: Patience = 0
