"""Vectors in, discrete codes out: RQ-KMeans, RQ-VAE and VQ-VAE over shared low-memory kernels.

`ExternalCodes` gives codewords to codes that were made elsewhere. The classes of the methods are those of
`semid.methods`, imported when they are asked for. `vectors` is any array or memmap, read in blocks. Of third parties
numpy, torch, safetensors and annotated-types are needed.
"""

from typing import TYPE_CHECKING, Any

from semid.methods import CLASSES
from semid.quantizers.compute import Compute
from semid.quantizers.decoder import DecodedVectors, Decoder
from semid.quantizers.external import ExternalCodes
from semid.quantizers.tokenizer import Tokenizer

if TYPE_CHECKING:
    from semid.quantizers.rqkmeans import RQKMeans as RQKMeans
    from semid.quantizers.rqvae import RQVAE as RQVAE
    from semid.quantizers.vqvae import VQVAE as VQVAE

__all__ = ["Compute", "DecodedVectors", "Decoder", "ExternalCodes", "Tokenizer", *CLASSES]


def __getattr__(name: str) -> Any:
    if name in CLASSES:
        return CLASSES[name].load()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
