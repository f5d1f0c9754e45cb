"""How interactions are filtered and split, and the files that come out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from annotated_types import Ge, Le, MaxLen, MinLen

from semid.checks import Choices, KeysOf, Worded, check_options, doc
from semid.data.sources import official_splits
from semid.errors import InputError

LEAVE_LAST_OUT = "leave_last_out"


def text_fields(text_columns: Sequence[str]) -> dict[str, str]:
    """The fields by which tables name these columns, whose own names may differ from ours in case alone."""
    return {f"text_{number}": column for number, column in enumerate(text_columns)}


@dataclass(frozen=True)
class SplitTimes:
    """A split by time."""

    timestamps: Annotated[
        tuple[int, ...],
        MinLen(2),
        MaxLen(2),
        doc("Two times in milliseconds: train before the first, valid before the second, test from the second on."),
    ]


@dataclass(frozen=True)
class PreprocessSettings:
    """How interactions are filtered and split. Raises InputError for a value out of its range.

    `split` is the name of a split, or two timestamps, which may be given as they are or as `{timestamps: [t1, t2]}`.

    text_columns: columns of the item files that items.parquet keeps as texts, beside title, description, categories and
    store: those that the template of an item's text names. They are no key of `preprocess:` either.

    memory_limit: the memory that DuckDB may take, in MB. threads: the threads that DuckDB may use. Neither changes the
    result, and neither is a key of the configuration.
    """

    k_core: Annotated[
        int,
        Ge(0),
        doc(
            "Keep users and items with at least this many interactions each, again and again until nothing more is "
            "dropped. 0 keeps everything, also items without interactions. A value that leaves nobody is an error "
            "that says how many there were."
        ),
    ] = 5
    catalogue: Annotated[
        Literal["all", "core"] | None,
        doc(
            "Which items get a row in items.parquet, and an ID: `all` items of the item files, or only the `core`, "
            "those that still have interactions after `k_core` (or an official 5-core). The default is `all` for "
            "`source: table`, and `core` for every other source, as the published benchmarks have it. It changes "
            "neither training nor evaluation: with `all`, the k-core still says which interactions there are, "
            "tokenizers learn from the training items alone, candidates are core items (`in_core`), and the codes of "
            "core items are those of `core`. Interactions of items that the item files lack are left out either way."
        ),
    ] = None
    repeats: Annotated[
        Literal["first", "last", "keep"],
        doc("Which of a user's interactions with one item stay: the `first`, the `last`, or all of them (`keep`)."),
    ] = "first"
    split: Annotated[
        Annotated[str, Choices((LEAVE_LAST_OUT, *official_splits()))]
        | Annotated[Mapping[str, Any], KeysOf(SplitTimes)],
        Worded(f"{LEAVE_LAST_OUT}, {{timestamps: [t1, t2]}} in milliseconds, or {', '.join(official_splits())}"),
        doc(
            "With `leave_last_out`, a user's last interaction is test and the one before is valid; users with fewer "
            "than three interactions stay in train. With `{timestamps: [t1, t2]}` in milliseconds, what comes before "
            "t1 is train, what comes before t2 is valid, and the rest is test; Amazon Reviews 2023 publishes its "
            "benchmarks with [1628643414042, 1658002729837]. `official_5core_last_out`, `official_5core_timestamp`, "
            "`official_0core_last_out` and `official_0core_timestamp` take the published files of Amazon Reviews 2023 "
            "as they are, for datasets with a `category` (or `splits`); k_core and repeats do not apply. With 5core "
            "the items are those of the interactions. In 0core_last_out a user's only interaction is test. Where the "
            "size of a category's 5-core is published, stats.json compares it with the size of the 5-core, made here "
            "or official, under `published`, and the log warns of a difference."
        ),
    ] = LEAVE_LAST_OUT
    ties: Annotated[
        Literal["source", "shuffle"],
        doc(
            "The order of a user's interactions at one time: as in the files (`source`), or shuffled by `seed` "
            "(`shuffle`). Files that order a day by item id make recall look better than it is: try both."
        ),
    ] = "source"
    seed: Annotated[int, Ge(0), doc("The seed by which ties are shuffled.")] = 0
    max_malformed: Annotated[
        float,
        Ge(0),
        Le(1),
        doc("The share of a raw file's lines that may be unreadable before the run stops. It changes no result."),
    ] = 0.01
    text_columns: Sequence[str] = ()
    memory_limit: int = 2000
    threads: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.split, str | Mapping):
            object.__setattr__(self, "split", {"timestamps": self.split})
        check_options(self, "preprocess")
        if isinstance(self.split, Mapping):
            first, second = self.split["timestamps"]
            if not first < second:
                raise InputError(f"preprocess: split: timestamps must be two, the first smaller, got {[first, second]}")
            object.__setattr__(self, "split", (first, second))
        if self.memory_limit < 100 or self.threads < 1:
            raise InputError(
                f"memory_limit is {self.memory_limit} MB and threads {self.threads}; at least 100 and 1 are needed"
            )

    @classmethod
    def of_job(cls, options: Mapping[str, Any], resources: Any, threads: int) -> Self:
        """The settings of a job that filters and splits: its `options`, and the limit `resources.duckdb_mb`."""
        return cls(**options, memory_limit=resources.duckdb_mb, threads=threads)

    @classmethod
    def of_reading(cls, text_columns: Sequence[str], resources: Any, threads: int) -> Self:
        """The settings of a job that reads a raw file, with the limits among its resources.

        `resources` has the attributes `duckdb_mb` and `max_malformed`, the latter as a text.
        """
        max_malformed = float(resources.max_malformed)
        return cls(
            text_columns=text_columns, max_malformed=max_malformed, memory_limit=resources.duckdb_mb, threads=threads
        )

    @property
    def is_official(self) -> bool:
        """Whether the split is one that a release comes in."""
        return isinstance(self.split, str) and self.split != LEAVE_LAST_OUT


@dataclass(frozen=True)
class Outputs:
    """The five files that :func:`preprocess` writes."""

    items: str | Path
    train: str | Path
    valid: str | Path
    test: str | Path
    stats: str | Path
