"""What every source of data answers: which raw files it needs while jobs are planned, and how a job reads them.

Standard library and annotated-types only: Snakemake imports it to plan.
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
SPLITS = ("train", "valid", "test")
JSON_LINES = (".jsonl", ".jsonl.gz")
CSV = (".csv", ".csv.gz")
PARQUET = (".parquet",)
TABLES = (*JSON_LINES, *CSV, *PARQUET)

# A file of the configuration, or several that make one.
FilePaths = Annotated[
    FilePath | Annotated[tuple[FilePath, ...], MinLen(1)], Worded("a path or a list of paths, without braces")
]
Origin = Literal["given", "generated", "downloaded"]
NOTHING: Mapping[str, Any] = MappingProxyType({})


class InteractionFile(NamedTuple):
    """A file of interactions and the split it is (None: still to be split)."""

    path: Path
    split: str | None


class Counts(NamedTuple):
    """Size of a set of interactions."""

    users: int
    items: int
    interactions: int


class Source:
    """A source of data: a frozen dataclass of the keys that a dataset of that source has in the configuration.

    A subclass declares its keys as fields with a text (:mod:`semid.checks`), calls :meth:`check` when it is made, and
    changes what differs from the following. Fields without a text are no keys: planning fills them.

    Of the class:

    combinations: rules for keys that go together, in words under `expected` and as keywords of a JSON schema.
    file_keys: the keys that name raw files, each with the endings that these may have. A key's value is a path,
        several, or a map of these by split.
    format: what stats.json calls the format of the files.
    note: what every table says of numbers that rank nothing, else empty.
    generated: raw files that a job generates, as file names by the key under which `preprocess` reads them.
    official_splits: the splits that the release itself comes in, by the name that `split:` takes; of each the k of the
        k-core that its interactions are, 0 for all.

    Of an instance, for a job that reads it:

    columns: our names of fields → the files' names of columns, where they differ.
    timestamp_unit: `milliseconds`, `seconds` or `position`; None without interactions.
    categories_separator: cuts a text of categories into a list; None leaves it whole.
    ignored_categories: texts that stand where an item has no category.
    """

    combinations: ClassVar[Mapping[str, Any]] = NOTHING
    file_keys: ClassVar[Mapping[str, tuple[str, ...]]] = NOTHING
    format: ClassVar[str]
    note: ClassVar[str] = ""
    generated: ClassVar[Mapping[str, str]] = NOTHING
    official_splits: ClassVar[Mapping[str, int]] = NOTHING

    columns: Mapping[str, str] = NOTHING
    timestamp_unit: str | None = None
    categories_separator: str | None = None
    ignored_categories: tuple[str, ...] = ()

    def check(self, name: str) -> None:
        """Hold the keys against their annotations and against `combinations`; `name` is that of the source."""
        check_options(self, name)
        # the dataset may have vectors of its own, of which its source knows nothing
        keys = {option.name for option in options_of(type(self)) if getattr(self, option.name) not in (None, {})}
        if not _fits(self.combinations, keys | {"embeddings"}):
            raise InputError(f"{name}: expected {self.combinations['expected']}, got {', '.join(sorted(keys))}")

    # Planning

    @property
    def has_interactions(self) -> bool:
        """Whether there are interactions, without which there is nobody to evaluate on."""
        return True

    @property
    def names_items(self) -> bool:
        """Whether the raw files say which items there are; else the ids of the dataset's own vectors are its items."""
        return True

    @property
    def is_downloaded(self) -> bool:
        """Whether jobs download the raw files, those of :meth:`release`."""
        return False

    @classmethod
    def release(cls, checksums: str | Path | None = None) -> Mapping[str, OfficialFile]:
        """The official files of the release by their paths; empty for a source that has none.

        `checksums` names a table of files that takes the place of the one that comes with the source.
        """
        return {}

    def located(self, folder: str, split: Any, release: Mapping[str, OfficialFile]) -> tuple[Self, Origin]:
        """This source with all its raw files named, and how they come.

        `folder` is where the dataset has files that are generated or downloaded, `split` the key `split` of its
        preprocessing. Raises `InputError` for what `release` does not have.
        """
        return self, "given"

    def files(self) -> dict[str, Any]:
        """The raw files, each a path or a list of paths as given, by their key; those of `splits` by their split."""
        named: dict[str, Any] = {}
        for key in self.file_keys:
            value = getattr(self, key)
            named |= value if isinstance(value, Mapping) else {} if value is None else {key: value}
        return named

    def options(self) -> dict[str, Any]:
        """What makes this source again, without what is left at its default: a dictionary that JSON can hold."""
        values = ((field, getattr(self, field.name)) for field in fields(self) if field.init)  # type: ignore[arg-type]
        return {field.name: _plain(value) for field, value in values if value not in (None, {}, field.default)}

    def recorded(self) -> dict[str, Any]:
        """The keys that raw files are generated by, which the dataset's manifest records beside :meth:`options`."""
        return {}

    # Jobs

    def generate_files(self, paths: Mapping[str, Path]) -> None:
        """Write the raw files of :attr:`generated`, each where `paths` says. A source made of :meth:`recorded` can."""
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
        """Whether the items are those of the split files, described by these files' own columns."""
        return False

    @property
    def has_official_files(self) -> bool:
        """Whether the interactions are those of an official split, so that `split:` has to say of which."""
        return False

    def published(self, k_core: int) -> tuple[str, Counts] | None:
        """The published size of this data's k-core, and the category it is of; None where none was published."""
        return None

    def check_files(self) -> None:
        """Raise `InputError` for a raw file that is missing or of another format than its key takes."""
        for key, endings in self.file_keys.items():
            value = getattr(self, key)
            by_name = (
                {f"{key}: {split}": value[split] for split in value} if isinstance(value, Mapping) else {key: value}
            )
            for name, paths in by_name.items():
                for path in paths_of(paths):
                    _check_file(name, path, endings)


def paths_of(files: Any) -> tuple[Path, ...]:
    """The value of a key that names files, a path or several or None, as paths."""
    if files is None:
        return ()
    return (Path(files),) if isinstance(files, str | Path) else tuple(map(Path, files))


def split_files(splits: Mapping[str, Any]) -> Iterator[InteractionFile]:
    """The files of a map of splits, in the order train, valid, test."""
    return (InteractionFile(path, split) for split in SPLITS for path in paths_of(splits[split]))


def _check_file(key: str, path: Path, endings: tuple[str, ...]) -> None:
    if not path.name.lower().endswith(endings):
        raise InputError(f"{key}: {path} does not end in one of {', '.join(endings)}")
    if not path.is_file():
        raise InputError(f"{key}: {path} does not exist or is no file (relative paths start at {Path.cwd()})")


def _fits(rule: Mapping[str, Any], keys: Collection[str]) -> bool:
    """Whether a map with these keys fits a JSON schema of `required`, `dependentRequired`, `not`, `anyOf`, `oneOf`."""
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
