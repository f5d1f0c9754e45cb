"""What every source of data answers: which raw files it needs while jobs are planned, and how a job reads them.

This module needs the standard library and annotated-types alone, since Snakemake imports it to plan.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from annotated_types import MinLen

from semid.checks import FilePath, Worded, check_options, options_of
from semid.data.sources.release import OfficialFile
from semid.errors import InputError

INTERACTION_FIELDS = ("user_id", "item_id", "timestamp", "rating")
ITEM_FIELDS = ("item_id", "title", "description", "categories", "store")
TIMESTAMP_UNITS = ("milliseconds", "seconds", "iso", "position", "row")
SPLITS = ("train", "valid", "test")
JSON_LINES = (".jsonl", ".jsonl.gz", ".json", ".json.gz")
CSV = (".csv", ".csv.gz")
ATOMIC = (".inter", ".item")
PARQUET = (".parquet",)
TABLES = (*JSON_LINES, *CSV, *ATOMIC, *PARQUET)

# A name for messages, files, and the endings that they may have.
NamedFiles = tuple[str, tuple[Path, ...], tuple[str, ...]]
# A file of the configuration, or several that make one.
FilePaths = Annotated[
    FilePath | Annotated[tuple[FilePath, ...], MinLen(1)], Worded("a path or a list of paths, without braces")
]
Origin = Literal["given", "generated", "downloaded"]
NOTHING: Mapping[str, Any] = MappingProxyType({})


class InteractionFile(NamedTuple):
    """A file of interactions, and the split that it is; None for a file that is still to be split."""

    path: Path
    split: str | None


class TextLayout(NamedTuple):
    """How text files are written: their encoding, what stands between values (None: a comma) and the decimal sign."""

    encoding: str = "utf-8"
    separator: str | None = None
    decimal: str = "."


PLAIN = TextLayout()


class Counts(NamedTuple):
    """The size of a set of interactions."""

    users: int
    items: int
    interactions: int


class Source:
    """A source of data: a frozen dataclass of the keys that a dataset of that source has in the configuration.

    A subclass declares its keys as fields with a text (:mod:`semid.checks`) and calls :meth:`check` in its
    `__post_init__`. It has to give `format`, :attr:`interaction_files`, :attr:`item_files` and, if it has interactions,
    `timestamp_unit`; it overrides what else differs from the defaults below. Fields without a text are no keys:
    planning fills them. A class gives an attribute without an annotation, since a dataclass would make a field of one
    with an annotation.

    Attributes for planning:

    combinations: rules for keys that go together, in words under `expected` and as keywords of a JSON schema
        (`required`, `dependentRequired`, `not`, `anyOf`, `oneOf`). The key `embeddings` always counts as given.
    file_keys: the keys that name raw files, each with the endings that these may have. A key's value is a path,
        several, or a map of these by split.
    format: what stats.json calls the format of the files.
    note: what every table says of numbers that rank nothing; empty for all others.
    catalogue: which items get a row where `preprocess:` does not say, `all` or `core`.
    generated: raw files that a job generates, as file names by the key under which `preprocess` reads them.
    official_splits: the splits that the release itself comes in, by the name that `split:` takes. The value is 5 for a
        split of the 5-core, and 0 for a split of all interactions.

    Attributes for the job that reads the files; a class sets them, or a dataset where they are fields (`Table`):

    columns: the column of the files for each of `INTERACTION_FIELDS` and `ITEM_FIELDS` that has another name there. It
        holds for files of interactions and of items alike, and a column that it names must be there.
    timestamp_unit: one of `TIMESTAMP_UNITS`; needed with interactions, None without. With `row` the files need no
        timestamps, since their rows are in order.
    encoding, separator, decimal: how text files are written, as :class:`TextLayout` describes.
    categories_separator: cuts a text of categories into a list; None leaves it whole.
    ignored_categories: texts that stand where an item has no category.
    """

    combinations: ClassVar[Mapping[str, Any]] = NOTHING
    file_keys: ClassVar[Mapping[str, tuple[str, ...]]] = NOTHING
    format: ClassVar[str]
    note: ClassVar[str] = ""
    catalogue: ClassVar[Literal["all", "core"]] = "core"
    generated: ClassVar[Mapping[str, str]] = NOTHING
    official_splits: ClassVar[Mapping[str, int]] = NOTHING

    columns: Mapping[str, str] = NOTHING
    timestamp_unit: str | None = None
    encoding: str = "utf-8"
    separator: str | None = None
    decimal: str = "."
    categories_separator: str | None = None
    ignored_categories: tuple[str, ...] = ()

    def check(self, name: str) -> None:
        """Check the keys against their annotations and against `combinations`; `name` is the name of the source."""
        check_options(self, name)
        # The dataset may have vectors of its own, which its source cannot see.
        keys = {
            option.name
            for option in options_of(type(self))
            if getattr(self, option.name) not in (None, {}) and getattr(self, option.name) != option.default
        }
        if not _fits(self.combinations, keys | {"embeddings"}):
            raise InputError(f"{name}: expected {self.combinations['expected']}, got {', '.join(sorted(keys))}")

    @property
    def takes_columns(self) -> bool:
        """Whether a dataset of this source can say under `columns` how the columns of its files are called."""
        return any(option.name == "columns" for option in options_of(type(self)))

    @property
    def text_layout(self) -> TextLayout:
        """How the text files of this source are written."""
        return TextLayout(self.encoding, self.separator, self.decimal)

    # Planning

    @property
    def has_interactions(self) -> bool:
        """Whether there are interactions; without them no tokenizer is evaluated."""
        return True

    @property
    def names_items(self) -> bool:
        """Whether the raw files name the items; False if the ids of the dataset's own vectors do."""
        return True

    @property
    def is_downloaded(self) -> bool:
        """Whether jobs download the raw files, which are those of :meth:`release`."""
        return False

    @classmethod
    def release(cls, checksums: str | Path | None = None) -> Mapping[str, OfficialFile]:
        """Return the official files of the release by their paths; empty for a source that has none.

        `checksums` is the path of a table of files that replaces the table that comes with the source.
        """
        return {}

    def located(self, folder: str, split: Any, release: Mapping[str, OfficialFile]) -> tuple[Self, Origin]:
        """Return a copy of this source whose file keys are filled in, and whether the files are given, generated or
        downloaded.

        `folder` is where the dataset has files that are generated or downloaded, and `split` the key `split` of its
        preprocessing. Raises `InputError` for files that `release` does not have.
        """
        return self, "given"

    def files(self) -> dict[str, Any]:
        """Return the raw files, each a path or a list of paths as given, by their key.

        A key whose value is a map, such as `splits`, is replaced by the keys of the map.
        """
        named: dict[str, Any] = {}
        for key in self.file_keys:
            value = getattr(self, key)
            named |= value if isinstance(value, Mapping) else {} if value is None else {key: value}
        return named

    def options(self) -> dict[str, Any]:
        """Return the keys that make this source again, without those at their default, as JSON can hold them."""
        values = ((field, getattr(self, field.name)) for field in fields(self) if field.init)  # type: ignore[arg-type]
        return {field.name: _plain(value) for field, value in values if value not in (None, {}, field.default)}

    def recorded(self) -> dict[str, Any]:
        """Return the keys by which raw files are generated.

        They do not change how files are read, so :meth:`options` leaves them out; the manifest records both.
        """
        return {}

    # Jobs

    def generate_files(self, paths: Mapping[str, Path]) -> None:
        """Write the raw files of :attr:`generated`, each to its path in `paths`.

        A source that is made of the keys of :meth:`recorded` alone can do it.
        """
        raise NotImplementedError

    @property
    def interaction_files(self) -> tuple[InteractionFile, ...]:
        """The files of interactions, in the order in which they are read."""
        raise NotImplementedError

    @property
    def is_split(self) -> bool:
        """Whether the files of interactions are splits."""
        return any(file.split is not None for file in self.interaction_files)

    @property
    def item_files(self) -> tuple[Path, ...]:
        """The files of items, in the order in which they are read."""
        raise NotImplementedError

    @property
    def items_from_splits(self) -> bool:
        """Whether there is no item file, so that the columns of the split files describe the items."""
        return False

    @property
    def has_official_files(self) -> bool:
        """Whether the interactions are those of an official split, so that `split:` has to say which it is."""
        return False

    def published(self, k_core: int) -> tuple[str, Counts] | None:
        """Return a name for messages and the published size of the k-core; None if none was published."""
        return None

    def check_files(self) -> None:
        """Raise `InputError` for a raw file that is missing, or that has a format that its key does not take.

        The same holds for a unit of timestamps that does not exist, and for a column of a field that does not exist:
        these are faults of the source, or of its keys.
        """
        self._check_reading()
        for name, paths, endings in self.named_files():
            for path in paths:
                _check_file(name, path, endings)

    def check_file(self, path: Path, found: Path | None = None) -> None:
        """Raise `InputError` as :meth:`check_files` does, for one raw file alone.

        found: where the file lies, if that is not at the `path` that this source names.
        """
        self._check_reading()
        for name, paths, endings in self.named_files():
            if path in paths:
                _check_file(name, found or path, endings)

    def named_files(self) -> Iterator[NamedFiles]:
        """Yield a name for messages, the paths and the endings of each key that names files, or of each split in it."""
        for key, endings in self.file_keys.items():
            value = getattr(self, key)
            if isinstance(value, Mapping):
                yield from ((f"{key}: {split}", paths_of(value[split]), endings) for split in value)
            else:
                yield key, paths_of(value), endings

    def _check_reading(self) -> None:
        """Raise `InputError` for a unit of timestamps, or a column of a field, that does not exist."""
        name = type(self).__name__
        if self.interaction_files and self.timestamp_unit not in TIMESTAMP_UNITS:
            units = ", ".join(TIMESTAMP_UNITS)
            raise InputError(f"{name}: timestamp_unit must be one of {units}, got {self.timestamp_unit!r}")
        unknown = [field for field in self.columns if field not in (*INTERACTION_FIELDS, *ITEM_FIELDS)]
        if unknown:
            known = ", ".join(dict.fromkeys((*INTERACTION_FIELDS, *ITEM_FIELDS)))
            raise InputError(f"{name}: columns names {unknown[0]!r}, which is no field; the fields are {known}")


def paths_of(files: Any) -> tuple[Path, ...]:
    """Return the value of a key that names files (a path, several, or None) as paths."""
    if files is None:
        return ()
    return (Path(files),) if isinstance(files, str | Path) else tuple(map(Path, files))


def split_files(splits: Mapping[str, Any]) -> Iterator[InteractionFile]:
    """Yield the files of a map of splits, in the order train, valid, test."""
    return (InteractionFile(path, split) for split in SPLITS for path in paths_of(splits[split]))


def _check_file(key: str, path: Path, endings: tuple[str, ...]) -> None:
    if not path.name.lower().endswith(endings):
        raise InputError(f"{key}: {path} does not end in one of {', '.join(endings)}")
    if not path.is_file():
        raise InputError(f"{key}: {path} does not exist or is no file (relative paths start at {Path.cwd()})")


def _fits(rule: Mapping[str, Any], keys: Collection[str]) -> bool:
    """Return whether a map with these keys fits a schema of required, dependentRequired, not, anyOf and oneOf."""
    return (
        all(key in keys for key in rule.get("required", ()))
        and all(
            key not in keys or set(needed) <= set(keys) for key, needed in rule.get("dependentRequired", {}).items()
        )
        and not ("not" in rule and _fits(rule["not"], keys))
        and ("anyOf" not in rule or any(_fits(other, keys) for other in rule["anyOf"]))
        and ("oneOf" not in rule or sum(_fits(other, keys) for other in rule["oneOf"]) == 1)
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value
