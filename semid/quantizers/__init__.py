"""Vectors in, discrete codes out: RQ-KMeans, RQ-VAE and VQ-VAE over shared low-memory kernels.

`ExternalCodes` gives codewords to codes that were made elsewhere. Needs of semid only `errors` and `files`;
`vectors` is any array or memmap, read in blocks.
"""

from semid.quantizers.external import ExternalCodes
from semid.quantizers.rqkmeans import RQKMeans
from semid.quantizers.rqvae import RQVAE
from semid.quantizers.tokenizer import Compute, DecodedVectors, Tokenizer
from semid.quantizers.vqvae import VQVAE

METHODS: dict[str, type[Tokenizer]] = {"rqkmeans": RQKMeans, "rqvae": RQVAE, "vqvae": VQVAE}

__all__ = ["METHODS", "RQVAE", "VQVAE", "Compute", "DecodedVectors", "ExternalCodes", "RQKMeans", "Tokenizer"]
