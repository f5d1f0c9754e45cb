"""A catalogue of your own as tables: parquet, CSV or JSONL files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import MinLen

from semid.checks import FilePath, KeysOf, doc
from semid.data.sources.source import TABLES, InteractionFile, Source, paths_of, split_files

ColumnName = Annotated[str, MinLen(1)]


@dataclass(frozen=True)
class SplitFiles:
    """Files that are already split."""

    train: Annotated[FilePath, doc("The interactions to train on.")]
    valid: Annotated[FilePath, doc("The interactions on which choices are made.")]
    test: Annotated[FilePath, doc("The interactions to test on.")]


@dataclass(frozen=True)
class Columns:
    """The names of the columns in the files."""

    user_id: Annotated[ColumnName | None, doc("The id of a user.")] = None
    item_id: Annotated[ColumnName | None, doc("The id of an item, in the files of interactions and of items.")] = None
    timestamp: Annotated[ColumnName | None, doc("The time of an interaction, in the `timestamp_unit`.")] = None
    rating: Annotated[ColumnName | None, doc("How much the user liked the item, a number.")] = None
    title: Annotated[ColumnName | None, doc("The title of an item.")] = None
    description: Annotated[ColumnName | None, doc("The description of an item.")] = None
    categories: Annotated[
        ColumnName | None, doc("The categories of an item from the widest to the narrowest: a list, or a text.")
    ] = None
    store: Annotated[ColumnName | None, doc("The brand or the shop of an item.")] = None


@dataclass(frozen=True)
class Table(Source):
    """Your own catalogue as parquet, CSV (comma, header line) or JSONL files, the last two plain or gzipped.

    Raises `InputError` for a key whose value cannot be used, and for keys that do not go together.
    """

    combinations: ClassVar[Mapping[str, Any]] = {
        "expected": "at least one of interactions, items, splits and embeddings, and not both interactions and splits, "
        "with a timestamp_unit for either",
        "anyOf": [{"required": [key]} for key in ("interactions", "items", "splits", "embeddings")],
        # The unit of a time is never guessed.
        "dependentRequired": {"interactions": ["timestamp_unit"], "splits": ["timestamp_unit"]},
        "not": {"required": ["interactions", "splits"]},
    }
    file_keys: ClassVar[Mapping[str, tuple[str, ...]]] = {"interactions": TABLES, "items": TABLES, "splits": TABLES}
    format: ClassVar[str] = "Table"

    interactions: Annotated[
        FilePath | None,
        doc("A file with a row an interaction. Leave it out when you have only items or vectors."),
    ] = None
    items: Annotated[FilePath | None, doc("A file with a row an item.")] = None
    splits: Annotated[
        Annotated[Mapping[str, str | Path], KeysOf(SplitFiles)] | None,
        doc(
            "Instead of `interactions`, files that are already split, `{train: …, valid: …, test: …}`, which are taken "
            "as they are: no repeats, k-core or split is applied. Without `items`, their own title, description, "
            "categories and store columns describe the items."
        ),
    ] = None
    columns: Annotated[
        Mapping[str, str],
        KeysOf(Columns),
        doc(
            "Our names and your names, where they differ: `{user_id: customer, item_id: sku}`. user_id, item_id and "
            "timestamp are needed; rating, title, description, categories and store are used where they exist. A "
            "column that is named here must exist: a wrong name is an error that lists the columns of the file."
        ),
    ] = field(default_factory=dict)
    timestamp_unit: Annotated[
        Literal["seconds", "milliseconds", "position"] | None,
        doc(
            "`seconds` or `milliseconds` since 1970, or `position`: a number that only orders a user's interactions. "
            "Required with interactions and never guessed; a wrong unit is an error when the dates it gives cannot be. "
            "A date-time column of a parquet file needs no conversion."
        ),
    ] = None
    categories_separator: Annotated[
        Annotated[str, MinLen(1)] | None, doc("Cuts a text column of categories into its parts, such as `|`.")
    ] = None

    def __post_init__(self) -> None:
        self.check("table")
        named = {name: column for name, column in self.columns.items() if column is not None}
        object.__setattr__(self, "columns", named)

    @property
    def has_interactions(self) -> bool:
        return self.interactions is not None or self.splits is not None

    @property
    def names_items(self) -> bool:
        return self.items is not None or self.splits is not None

    @property
    def interaction_files(self) -> tuple[InteractionFile, ...]:
        if self.splits is not None:
            return tuple(split_files(self.splits))
        return tuple(InteractionFile(path, None) for path in paths_of(self.interactions))

    @property
    def item_files(self) -> tuple[Path, ...]:
        if self.items_from_splits:
            return tuple(path for path, _ in self.interaction_files)
        return paths_of(self.items)

    @property
    def items_from_splits(self) -> bool:
        return self.items is None and self.splits is not None
