"""The options of an autoencoder around codebooks and of its training, each declared once."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen

from semid.checks import Choices, doc
from semid.quantizers.autoencoder.gradient_estimators import GRADIENT_ESTIMATORS

# options whose defaults differ between the methods
CodebookDim = Annotated[
    int,
    Ge(0),
    doc(
        "The width of the codebooks; 0 is the width of the embeddings. There training lowers the error of `rqkmeans` "
        "on the items that it learns from by 1 to 5 % (three catalogues), and on others by 1 %; in narrower codebooks "
        "by more, from a higher error. A flat codebook of that width is k-means, which training does not better."
    ),
]
Epochs = Annotated[int, Ge(0), doc("Passes over the training rows.")]
Patience = Annotated[
    int,
    Ge(0),
    doc("With `keep: best`, training stops after this many epochs without a better one; 0 trains all epochs."),
]


@dataclass(kw_only=True, eq=False, repr=False)
class AutoencoderOptions:
    """What an autoencoder is built with and trained by.

    `decay`, `eps` and `threshold_ema_dead_code` are those of
    :class:`~semid.quantizers.autoencoder.ema.EMACodebook`,
    :meth:`~semid.quantizers.autoencoder.model.Autoencoder.loss` has the terms of the loss, and
    :mod:`semid.quantizers.autoencoder.selection` says what `keep: best` does.
    """

    codebook_dim: CodebookDim = 0
    hidden: Annotated[
        tuple[Annotated[int, Ge(1)], ...],
        MinLen(1),
        doc("Widths of the perceptrons beside the linear maps; the decoder has them in reverse."),
    ] = (512,)
    linear_start: Annotated[
        bool,
        doc(
            "True makes the encoder `z = W(x − μ) + f(x − μ)` and the decoder `x̂ = Vz + g(z) + μ`. W begins as the "
            "principal directions, V as their transpose, and f and g begin at zero. False leaves out W and V, and f "
            "and g begin at random weights."
        ),
    ] = True
    codebook_update: Annotated[
        Literal["ema", "gradient"],
        doc("Codebooks follow their residuals by moving averages (`ema`), or learn by `gradient`."),
    ] = "ema"
    decay: Annotated[
        float, Gt(0), Lt(1), doc("With `ema`, the decay of the moving averages of codewords and counts.")
    ] = 0.99
    eps: Annotated[float, Gt(0), doc("With `ema`, the Laplace smoothing of the moving counts.")] = 1e-5
    threshold_ema_dead_code: Annotated[
        float,
        Ge(0),
        Le(1),
        doc(
            "With `ema`, a code whose moving count falls under this share of batch / K moves to a random residual; 0 "
            "revives none. Codes that learn by `gradient` are never revived."
        ),
    ] = 0.02
    kmeans_iters: Annotated[
        int, Ge(1), doc("Without a start, the most Lloyd iterations of the initial k-means at each level.")
    ] = 25
    commitment_weight: Annotated[
        float,
        Ge(0),
        doc("The weight, at every level, of the squared distance that pulls the encoder to its codewords."),
    ] = 0.25
    usage_weight: Annotated[float, Ge(0), doc("Weight of the entropy of soft code usage in the loss.")] = 0.0
    usage_temperature: Annotated[float, Gt(0), doc("Temperature of the soft code usage behind that entropy.")] = 0.1
    gradient_estimator: Annotated[
        str,
        Choices(GRADIENT_ESTIMATORS),
        doc(
            "How the decoder's gradient passes the quantization: as it is, or by `rotation`, turned and scaled as the "
            "latent vector is to the sum of its codewords (Fifty et al., 2024). From a k-means start `rotation` learns "
            "less and uses codes less evenly (Beauty, `rqvae_4x256`, 15 epochs: held-out error 0.406 against 0.380; at "
            "full width a flat codebook of 1,024 collapsed)."
        ),
    ] = "straight_through"
    epochs: Epochs = 60
    batch_size: Annotated[int, Ge(1), doc("Rows a gradient step.")] = 1024
    learning_rate: Annotated[float, Gt(0), doc("Learning rate of Adam.")] = 1e-3
    keep: Annotated[
        Literal["best", "last"],
        doc(
            "`best` keeps the epoch of lowest error on held-out items and undoes collapses of codes; `last` keeps the "
            "last epoch as it is."
        ),
    ] = "best"
    patience: Patience = 15
