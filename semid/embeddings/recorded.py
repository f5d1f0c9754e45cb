"""From the identity of an embedding space, as tokenizers record it, back to the encoder that made the vectors."""

from collections.abc import Mapping
from typing import Any, Literal, TypeGuard

import numpy as np
import torch

from semid.embeddings.embed import embedding_space, text_encoder
from semid.embeddings.settings import POOLING_MODES, EncoderSettings, HashingSettings
from semid.embeddings.store import cast
from semid.errors import InputError

OWN_VECTORS, LOCAL_FOLDER = "own vectors", "local folder"
# the batch of the workflow, by which the last bit of a vector may differ
BATCH_SIZE = 32


class RecordedEncoder:
    """Turns texts into vectors of a recorded space, as they are stored for the items of that space.

    space: what :func:`semid.embeddings.embedding_space` gave, with the width as `dim`; model: the folder of the
    encoder, where the space was made by one of a local folder. dtype: that of the dataset's `embeddings`, in which the
    vectors of items are stored. Raises `InputError` for vectors that no encoder made, for an encoder that cannot be
    loaded, for one that is not that of the space, and where the packages of encoders are not installed.
    """

    def __init__(
        self,
        space: Mapping[str, Any],
        model: str | None = None,
        dtype: Literal["float16", "float32"] = "float16",
        device: str = "auto",
    ) -> None:
        settings = recorded_settings(space, model)
        self._dtype = dtype
        try:
            self._encoder = text_encoder(settings, device, torch.get_num_threads(), False)
            made = {**embedding_space(settings), "dim": self._encoder.dim}
        except ModuleNotFoundError as error:
            raise InputError(f"encoding texts needs {error.name}: pip install 'semid[text]'") from None
        if made != dict(space):
            raise InputError(f"the encoder gives vectors of another space: expected {dict(space)}, these are {made}")

    def encode(self, texts: list[str]) -> np.ndarray:
        """Vectors `[n, dim]` in the dtype of the store, in the order of n > 0 `texts`."""
        vectors = self._encoder.encode(texts, BATCH_SIZE)
        return cast(vectors, self._dtype, np.arange(len(texts)))


def has_encoder(space: Any) -> TypeGuard[Mapping[str, Any]]:
    """Whether an encoder of texts made a space, rather than the user, or nobody knows who."""
    made_by = space.get("model") if isinstance(space, Mapping) else None
    return bool(made_by) and not str(made_by).startswith(OWN_VECTORS)


def recorded_settings(space: Mapping[str, Any], model: str | None = None) -> EncoderSettings | HashingSettings:
    """The settings that made a space; `model` is the folder of the encoder, where the space does not name one.

    Raises `InputError` where no encoder made the space, where a folder must be given and is not, and for a space that
    holds anything else than our settings.
    """
    if not has_encoder(space):
        made_by = f", since the vectors were given ({space['model']})" if space.get("model") else ""
        raise InputError(
            f"no encoder of texts is recorded{made_by}: embed the new items with the model that made the other "
            "vectors, and call encode"
        )
    made_by = str(space["model"])
    try:
        if made_by == "hashing":
            return HashingSettings(dim=space["dim"], seed=space["seed"], text=space["text"])
        if made_by == LOCAL_FOLDER and model is None:
            raise InputError("the encoder was a local folder: say where it is (encoder=…)")
        pooling = space["pooling"]
        return EncoderSettings(
            model=model or made_by,
            revision=None if model else space.get("revision"),
            # the model itself says several at once
            pooling=pooling if pooling in POOLING_MODES else None,
            prompt=space.get("prompt", ""),
            normalize=space["normalize"],
            max_tokens=space["max_tokens"],
            precision=space.get("precision", "float32"),
            text=space["text"],
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"the recorded encoder cannot be read ({error!r}): {dict(space)}") from None
