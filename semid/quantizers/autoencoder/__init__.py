"""What RQ-VAE and VQ-VAE share: an autoencoder around codebooks, from its options to its training."""

from semid.quantizers.autoencoder.options import CodebookDim, Epochs, Patience
from semid.quantizers.autoencoder.tokenizer import VectorQuantizedAutoencoder

__all__ = ["CodebookDim", "Epochs", "Patience", "VectorQuantizedAutoencoder"]
