"""Vectors come in, and discrete codes go out: the tokenizers, over shared kernels that need little memory.

A class for each method of `semid.methods`, such as `RQKMeans`, is imported when it is first used. `ExternalCodes` gives
codewords to codes that were made elsewhere. Every `fit` and `encode` takes vectors as an array or a memmap, and reads
them in blocks. The package needs numpy, torch, safetensors and annotated-types alone.
"""

from typing import TYPE_CHECKING, Any

from semid.methods import CLASSES
from semid.quantizers.compute import Compute
from semid.quantizers.decoder import DecodedVectors, Decoder
from semid.quantizers.external import ExternalCodes
from semid.quantizers.suffixed import decoder_of_codes
from semid.quantizers.tokenizer import Tokenizer

if TYPE_CHECKING:
    from semid.quantizers.opq import OPQ as OPQ
    from semid.quantizers.rqkmeans import RQKMeans as RQKMeans
    from semid.quantizers.rqvae import RQVAE as RQVAE
    from semid.quantizers.vqvae import VQVAE as VQVAE

__all__ = ["Compute", "DecodedVectors", "Decoder", "ExternalCodes", "Tokenizer", "decoder_of_codes", *CLASSES]


def __getattr__(name: str) -> Any:
    if name in CLASSES:
        return CLASSES[name].load()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
