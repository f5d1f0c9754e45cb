"""Vectors come in, and discrete codes go out: the tokenizers, over shared kernels that need little memory.

The classes of the methods are those of `semid.methods`, and are imported when they are asked for. `ExternalCodes` gives
codewords to codes that were made elsewhere. `vectors` is any array or memmap, which is read in blocks. The package
needs numpy, torch, safetensors and annotated-types alone.
"""

from typing import TYPE_CHECKING, Any

from semid.methods import CLASSES
from semid.quantizers.compute import Compute
from semid.quantizers.decoder import DecodedVectors, Decoder
from semid.quantizers.external import ExternalCodes
from semid.quantizers.tokenizer import Tokenizer

if TYPE_CHECKING:
    from semid.quantizers.opq import OPQ as OPQ
    from semid.quantizers.rqkmeans import RQKMeans as RQKMeans
    from semid.quantizers.rqvae import RQVAE as RQVAE
    from semid.quantizers.vqvae import VQVAE as VQVAE

__all__ = ["Compute", "DecodedVectors", "Decoder", "ExternalCodes", "Tokenizer", *CLASSES]


def __getattr__(name: str) -> Any:
    if name in CLASSES:
        return CLASSES[name].load()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
