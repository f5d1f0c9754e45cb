"""The scorecard of a tokenizer: what the figures are called and how `scorecard.json` holds them.

Needs neither torch nor scikit-learn, so that scorecards can be read where nothing is computed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar, get_type_hints

from semid.errors import InputError
from semid.files import parse_json, write_json

Typed = TypeVar("Typed")


@dataclass(frozen=True)
class WrittenAs:
    """Marks a field whose key in files is `name`, because that is no Python name."""

    name: str


def written_names(kind: type) -> dict[str, str]:
    """Return the key or column of each field of a dataclass in files, by the name of the field."""
    return {
        name: next((marker.name for marker in markers if isinstance(marker, WrittenAs)), name)
        for name, markers in field_markers(kind).items()
    }


def field_markers(kind: type) -> dict[str, tuple[Any, ...]]:
    """Return what each field of a dataclass is annotated with, by the name of the field."""
    hints = get_type_hints(kind, include_extras=True)
    return {declared.name: getattr(hints[declared.name], "__metadata__", ()) for declared in fields(kind)}


@dataclass(frozen=True)
class LevelUsage:
    """How the codes of one level are used; levels count from 1.

    perplexity: 2 to the power of `entropy_bits`; gini: 0 where all codes have equally many items.
    """

    level: int
    used_codes: int
    entropy_bits: float
    perplexity: float
    gini: float


@dataclass(frozen=True)
class SharedPrefix:
    """How items share the first `depth` codes.

    distinct: prefixes that occur; items_sharing: items whose prefix another item has too; largest: items of the
    commonest prefix; chance: probability that two different items drawn at random share it, None for a single item.
    """

    depth: int
    distinct: int
    items_sharing: int
    largest: int
    chance: float | None


@dataclass(frozen=True)
class Reconstruction:
    """What decoding loses.

    error: mean squared distance, summed over dimensions, of a vector to its decoded code; variance: that to the mean of
    all vectors; relative_error: their ratio, where 0 is lossless and 1 no better than the mean; None when all vectors
    are equal.
    """

    error: float
    variance: float
    relative_error: float | None


@dataclass(frozen=True)
class Structure:
    """What codes keep of neighbourhoods, categories and users' steps; None where the data do not give a figure.

    `semid.scorecard.structure` says how each figure is computed. cooccurrence_lift: `cooccurrence` over the chance of a
    shared prefix, level by level; an entry is None where no two items share one.
    """

    cosine_prefix_spearman: float | None = None
    neighbours_same_level1: float | None = None
    neighbours_same_code: float | None = None
    cooccurrence: tuple[float, ...] | None = None
    category_level: int | None = None
    category_ami: float | None = None
    embedding_hitrate_100: Annotated[float | None, WrittenAs("embedding_hitrate@100")] = None
    decoded_hitrate_100: Annotated[float | None, WrittenAs("decoded_hitrate@100")] = None
    cooccurrence_lift: tuple[float | None, ...] | None = None


@dataclass(frozen=True)
class Scorecard:
    """All figures of one tokenizer; its fields are the keys of `scorecard.json`, in their order.

    fit: what the tokenizer reports of its training; train_items_per_code: training items over the largest codebook;
    bits: of a semantic ID if all codes were equally likely; entropy_bits: the sum over levels of the entropy of a
    level's codes; unique_codes: distinct codes divided by items; items_in_collisions: items that share their whole
    code; items_in_collisions_identical: those that share code and embedding, which no tokenizer could separate;
    reconstruction: None for codes that cannot be decoded; note: what kind of data this is.
    """

    dataset: str
    tokenizer: str
    method: str
    variant: str
    num_levels: int
    codebook_size: int
    seed: int
    fit: Mapping[str, Any]
    items: int
    train_items: int
    train_items_per_code: float
    bits: float
    entropy_bits: float
    reconstruction: Reconstruction | None
    distinct_codes: int
    unique_codes: float
    distinct_embeddings: int
    items_in_collisions: int
    items_in_collisions_identical: int
    largest_bucket: int
    prefixes: tuple[SharedPrefix, ...]
    levels: tuple[LevelUsage, ...]
    structure: Structure | None
    warnings: tuple[str, ...]
    note: str | None

    def write(self, path: str | Path) -> None:
        """Write the scorecard as JSON."""
        write_json(path, _as_json(self))

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read what :meth:`write` wrote; InputError for a file that holds anything else."""
        try:
            content = parse_json(Path(path).read_text(encoding="utf-8"))
            reconstruction, structure = content["reconstruction"], content["structure"]
            typed = {
                "reconstruction": reconstruction and _from_json(Reconstruction, reconstruction),
                "structure": structure and _from_json(Structure, structure),
                "prefixes": tuple(_from_json(SharedPrefix, prefix) for prefix in content["prefixes"]),
                "levels": tuple(_from_json(LevelUsage, level) for level in content["levels"]),
            }
            return _from_json(cls, {**content, **typed})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} holds no scorecard ({error!r}): delete it and score again") from error


def _as_json(value: Any) -> Any:
    if is_dataclass(value):
        return {written: _as_json(getattr(value, name)) for name, written in written_names(type(value)).items()}
    if isinstance(value, tuple):
        return [_as_json(entry) for entry in value]
    return value


def _from_json(kind: type[Typed], content: Mapping[str, Any]) -> Typed:
    values = {name: content[written] for name, written in written_names(kind).items()}
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
