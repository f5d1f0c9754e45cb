"""A catalogue of your own as tables: parquet, CSV or JSONL files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from annotated_types import MinLen

from semid.checks import KeysOf, Pattern, doc
from semid.data.sources.parts import expanded
from semid.data.sources.release import OfficialFile
from semid.data.sources.source import (
    TABLES,
    FilePaths,
    InteractionFile,
    NamedFiles,
    Origin,
    Source,
    paths_of,
    split_files,
)
from semid.errors import InputError

ColumnName = Annotated[str, MinLen(1)]


@dataclass(frozen=True)
class SplitFiles:
    """Files that are already split."""

    train: Annotated[FilePaths, doc("The interactions to train on.")]
    valid: Annotated[FilePaths, doc("The interactions on which choices are made.")]
    test: Annotated[FilePaths, doc("The interactions to test on.")]


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
    """Your own catalogue as parquet, CSV (with a header line) or JSONL files, the last two plain or gzipped, or as
    RecBole's atomic files. A file may also be a list of parts, a folder of them, or a pattern such as `part-*.parquet`.

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
    # Whoever brings a catalogue wants an ID for each of its items.
    catalogue: ClassVar[Literal["all", "core"]] = "all"

    interactions: Annotated[
        FilePaths | None,
        doc(
            "A file with a row an interaction, or its parts: a list, a folder, or a pattern such as `part-*.parquet`. "
            "Leave it out when you have only items or vectors."
        ),
    ] = None
    items: Annotated[FilePaths | None, doc("A file with a row an item, or its parts as above.")] = None
    splits: Annotated[
        Annotated[Mapping[str, Any], KeysOf(SplitFiles)] | None,
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
        Literal["seconds", "milliseconds", "iso", "position", "row"] | None,
        doc(
            "`seconds` or `milliseconds` since 1970; `iso` for dates as text, such as `2021-01-02 15:56:52`, which are "
            "UTC unless they name an offset; `position` for a number that only orders a user's interactions; `row` "
            "where there are no timestamps and the rows of the file are in order. Required with interactions and never "
            "guessed; a wrong unit is an error when the dates it gives cannot be. A date-time column of a parquet file "
            "needs no conversion."
        ),
    ] = None
    encoding: Annotated[
        str,
        MinLen(1),
        doc("The encoding of text files, such as `latin-1`, `cp1252` or `utf-16`; a wrong one is an error."),
    ] = "utf-8"
    separator: Annotated[
        Annotated[str, Pattern("^[^\\r\\n]$", "one character")] | None,
        doc("What stands between the values of a CSV file where it is no comma, such as `;` or a tab."),
    ] = None
    decimal: Annotated[Literal[".", ","], doc("The decimal sign of ratings and timestamps in CSV files.")] = "."
    categories_separator: Annotated[
        Annotated[str, MinLen(1)] | None, doc("Cuts a text column of categories into its parts, such as `|`.")
    ] = None

    def __post_init__(self) -> None:
        self.check("table")
        named = {name: column for name, column in self.columns.items() if column is not None}
        object.__setattr__(self, "columns", named)
        if not _is_text_encoding(self.encoding):
            raise InputError(f"table: encoding must be one that Python knows, such as latin-1, got {self.encoding!r}")
        if self.timestamp_unit == "row" and "timestamp" in named:
            raise InputError(
                "table: timestamp_unit is row, which takes no column of timestamps; leave it out of columns"
            )

    def located(self, folder: str, split: Any, release: Mapping[str, OfficialFile]) -> tuple[Self, Origin]:
        parts: dict[str, Any] = {key: _with_parts(key, getattr(self, key)) for key in self.file_keys}
        return replace(self, **parts), "given"

    @property
    def has_interactions(self) -> bool:
        return self.interactions is not None or self.splits is not None

    @property
    def names_items(self) -> bool:
        return self.items is not None or self.splits is not None

    def named_files(self) -> Iterator[NamedFiles]:
        located, _ = self.located("", None, {})
        return super(Table, located).named_files()

    @property
    def interaction_files(self) -> tuple[InteractionFile, ...]:
        if self.splits is not None:
            return tuple(split_files(_with_parts("splits", self.splits)))
        paths = paths_of(_with_parts("interactions", self.interactions))
        return tuple(InteractionFile(path, None) for path in paths)

    @property
    def item_files(self) -> tuple[Path, ...]:
        if self.items_from_splits:
            return tuple(path for path, _ in self.interaction_files)
        return paths_of(_with_parts("items", self.items))

    @property
    def items_from_splits(self) -> bool:
        return self.items is None and self.splits is not None


def _with_parts(key: str, files: Any) -> Any:
    """Return the value of a key that names files with folders and patterns replaced by lists of their parts."""
    if isinstance(files, Mapping):
        return {split: _with_parts(f"{key}: {split}", paths) for split, paths in files.items()}
    return expanded(key, files, TABLES)


def _is_text_encoding(name: str) -> bool:
    try:
        return isinstance(b"a".decode(name, "replace"), str)
    except (LookupError, ValueError):
        return False
