"""What raw data there is: a release of Amazon reviews, or the tables of one's own catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from semid.errors import InputError

FORMATS = (".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".parquet")
TIMESTAMP_UNITS = ("milliseconds", "seconds", "position")
INTERACTION_FIELDS = ("user_id", "item_id", "timestamp", "rating")
ITEM_FIELDS = ("item_id", "title", "description", "categories", "store")
SPLITS = ("train", "valid", "test")


class InteractionFile(NamedTuple):
    """A file of interactions and the split it is (None: still to be split)."""

    path: Path
    split: str | None


@dataclass(frozen=True)
class AmazonReviews2023:
    """Files of Amazon Reviews 2023 (Hou et al., 2024): reviews and item metadata, `.jsonl` or `.jsonl.gz`.

    splits: instead of `reviews`, files of an official split under `train`, `valid` and `test`, `.csv` or `.csv.gz`.
        Their `history` column, where they have one, is not read: it follows from the rows.

    Files of several categories make one dataset. An item is a `parent_asin`. Raises InputError for a missing file or
    another format.
    """

    reviews: tuple[Path, ...]
    meta: tuple[Path, ...]
    splits: Mapping[str, tuple[Path, ...]] | None = None

    columns: Mapping[str, str] = field(default_factory=lambda: {"item_id": "parent_asin"}, init=False)
    timestamp_unit: str = field(default="milliseconds", init=False)
    categories_separator: None = field(default=None, init=False)

    def __post_init__(self) -> None:
        for key in ("reviews", "meta"):
            paths = tuple(Path(path) for path in getattr(self, key))
            if not paths and (key == "meta" or self.splits is None):
                raise InputError(
                    f"{key}: no files are named; Amazon Reviews 2023 needs meta files, and reviews or splits"
                )
            for path in paths:
                _check_file(key, path, (".jsonl", ".jsonl.gz"))
            object.__setattr__(self, key, paths)
        if self.splits is not None:
            if self.reviews:
                raise InputError("reviews and splits are both given; name one of them")
            _check_split_names(self.splits)
            splits = {split: tuple(Path(path) for path in self.splits[split]) for split in SPLITS}
            object.__setattr__(self, "splits", splits)
            for split, paths in splits.items():
                if not paths:
                    raise InputError(f"splits: {split}: no files are named")
                for path in paths:
                    _check_file(f"splits: {split}", path, (".csv", ".csv.gz"))

    @property
    def interaction_files(self) -> tuple[InteractionFile, ...]:
        if self.splits is not None:
            return tuple(InteractionFile(path, split) for split, paths in self.splits.items() for path in paths)
        return tuple(InteractionFile(path, None) for path in self.reviews)

    @property
    def category(self) -> str | None:
        """The category of which these are the interactions, by the official names of their files."""
        names = {path.name.partition(".")[0] for path, _ in self.interaction_files}
        return names.pop() if len(names) == 1 else None

    @property
    def item_files(self) -> tuple[Path, ...]:
        return self.meta

    @property
    def items_from_splits(self) -> bool:
        return False


@dataclass(frozen=True)
class Table:
    """One's own catalogue as parquet, CSV (comma, header line) or JSONL files, the last two plain or `.gz`.

    interactions, items: one row an interaction, one row an item. Either may be missing.
    splits: instead of `interactions`, the files of an existing split under `train`, `valid` and `test`, taken as they
        are. Without `items` their own title, description, categories and store columns describe the items.
    columns: our names (user_id, item_id, timestamp, rating, title, description, categories, store) → the files' names,
        where they differ. A column named here must exist; of the others only user_id, item_id, timestamp must.
    timestamp_unit: `milliseconds` or `seconds` since 1970, or `position`: numbers that only order a user's
        interactions. Required with interactions. A date-time column of a parquet file needs no conversion.
    categories_separator: cuts a text column of categories into a list.

    Raises InputError for a missing file, an unknown format, column or unit.
    """

    interactions: Path | None = None
    items: Path | None = None
    splits: Mapping[str, Path] | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    timestamp_unit: str | None = None
    categories_separator: str | None = None

    def __post_init__(self) -> None:
        for key in ("interactions", "items"):
            if (path := getattr(self, key)) is not None:
                object.__setattr__(self, key, Path(path))
                _check_file(key, Path(path), FORMATS)
        if self.splits is not None:
            if self.interactions is not None:
                raise InputError("interactions and splits are both given; name one of them")
            _check_split_names(self.splits)
            object.__setattr__(self, "splits", {split: Path(self.splits[split]) for split in SPLITS})
            for split, path in self.splits.items():
                _check_file(f"splits: {split}", path, FORMATS)
        fields = sorted({*INTERACTION_FIELDS, *ITEM_FIELDS})
        for name, column in self.columns.items():
            if name not in fields:
                raise InputError(f"columns: {name!r} is not a field; the fields are {', '.join(fields)}")
            if not isinstance(column, str) or not column or "\0" in column:
                raise InputError(f"columns: {name}: {column!r} is not the name of a column")
        if self.timestamp_unit is None and self.interaction_files:
            raise InputError("timestamp_unit is missing: say milliseconds, seconds or position (only an order)")
        if self.timestamp_unit is not None and self.timestamp_unit not in TIMESTAMP_UNITS:
            raise InputError(f"timestamp_unit: {self.timestamp_unit!r} is none of {', '.join(TIMESTAMP_UNITS)}")
        if self.categories_separator == "":
            raise InputError("categories_separator is empty; leave it out or name the characters between categories")

    @property
    def interaction_files(self) -> tuple[InteractionFile, ...]:
        if self.splits is not None:
            return tuple(InteractionFile(path, split) for split, path in self.splits.items())
        return () if self.interactions is None else (InteractionFile(self.interactions, None),)

    @property
    def item_files(self) -> tuple[Path, ...]:
        if self.items is not None:
            return (self.items,)
        return tuple(self.splits.values()) if self.splits is not None else ()

    @property
    def category(self) -> None:
        """Tables belong to no category of Amazon Reviews 2023."""
        return None

    @property
    def items_from_splits(self) -> bool:
        """Whether the items are those of the split files, described by these files' own columns."""
        return self.items is None and self.splits is not None


Source = AmazonReviews2023 | Table


def source_from_config(options: Mapping[str, Any]) -> Source:
    """Return the source that a dataset of config.yaml describes.

    Read are `source` (amazon2023, table or sample) and, by kind, `reviews`, `meta` and the three `splits` (each a path
    or a list of paths), or `interactions`, `items`, `splits`, `columns`, `timestamp_unit` and `categories_separator`. A
    sample is read as the Amazon files that it generates. Raises InputError as the sources do.
    """
    kind = options.get("source")
    if kind in ("amazon2023", "sample"):
        splits = options.get("splits")
        return AmazonReviews2023(
            reviews=_paths(options, "reviews"),
            meta=_paths(options, "meta"),
            splits=None if splits is None else {split: _paths(splits, split) for split in splits},
        )
    if kind == "table":
        names = ("interactions", "items", "splits", "columns", "timestamp_unit", "categories_separator")
        return Table(**{name: options[name] for name in names if options.get(name) is not None})
    raise InputError(f"source: {kind!r} is none of amazon2023, table, sample")


def _paths(options: Mapping[str, Any], key: str) -> tuple[Path, ...]:
    paths = options.get(key) or ()
    return (Path(paths),) if isinstance(paths, str | Path) else tuple(Path(path) for path in paths)


def _check_split_names(splits: Mapping[str, Any]) -> None:
    if set(splits) != set(SPLITS):
        raise InputError(f"splits: found the keys {sorted(splits)}; needed are train, valid and test")


def _check_file(key: str, path: Path, formats: tuple[str, ...]) -> None:
    if not path.name.lower().endswith(formats):
        raise InputError(f"{key}: {path} does not end in one of {', '.join(formats)}")
    if not path.is_file():
        raise InputError(f"{key}: {path} does not exist or is no file (relative paths start at {Path.cwd()})")
