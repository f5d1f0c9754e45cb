"""Amazon Reviews 2023 (Hou et al., 2024): its official files, which are downloaded, or the user's copies of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Self

from annotated_types import MinLen

from semid.checks import KeysOf, Worded, doc
from semid.data.sources.release import OfficialFile, nearest, official_files
from semid.data.sources.source import (
    CSV,
    JSON_LINES,
    PARQUET,
    SPLITS,
    Counts,
    FilePaths,
    InteractionFile,
    Origin,
    Source,
    paths_of,
    split_files,
)
from semid.errors import InputError

TABLE = Path(__file__).with_suffix(".tsv")
# The release has JSON lines; its copies at Hugging Face come as parquet.
REVIEWS = (*JSON_LINES, *PARQUET)
HOME = "https://huggingface.co/datasets/McAuley-Lab/Amazon-Reviews-2023/resolve/main"
# `split:` of a dataset → folder of the release
OFFICIAL_SPLITS = {
    "official_5core_last_out": "benchmark/5core/last_out",
    "official_5core_timestamp": "benchmark/5core/timestamp",
    "official_0core_last_out": "benchmark/0core/last_out",
    "official_0core_timestamp": "benchmark/0core/timestamp",
}
# The official 5-core sets whose sizes have been published to the last digit.
FIVE_CORE_COUNTS = {
    "Musical_Instruments": Counts(57_439, 24_587, 511_836),
    "Video_Games": Counts(94_762, 25_612, 814_586),
    "Industrial_and_Scientific": Counts(50_985, 25_848, 412_947),
    "Beauty_and_Personal_Care": Counts(729_576, 207_649, 6_624_441),
    "Books": Counts(776_370, 495_063, 9_488_297),
}


@dataclass(frozen=True)
class OfficialSplitFiles:
    """The files of an official split."""

    train: Annotated[FilePaths, doc("The `.train.csv` of the split, or several.")]
    valid: Annotated[FilePaths, doc("The `.valid.csv` of the split, or several.")]
    test: Annotated[FilePaths, doc("The `.test.csv` of the split, or several.")]


class ReviewFiles(Source):
    """Reviews and item metadata in the format of the release, where an item is a `parent_asin`.

    The `history` column of split files is not read, since it follows from the rows.
    """

    format = "AmazonReviews2023"
    file_keys: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "reviews": REVIEWS,
        "splits": CSV,
        "meta": REVIEWS,
    }
    columns = MappingProxyType({"item_id": "parent_asin"})
    timestamp_unit = "milliseconds"

    reviews: Any
    meta: Any
    splits: Any

    @property
    def interaction_files(self) -> tuple[InteractionFile, ...]:
        if self.splits is not None:
            return tuple(split_files(self.splits))
        return tuple(InteractionFile(path, None) for path in paths_of(self.reviews))

    @property
    def item_files(self) -> tuple[Path, ...]:
        return paths_of(self.meta)

    @property
    def has_official_files(self) -> bool:
        return self.splits is not None

    def published(self, k_core: int) -> tuple[str, Counts] | None:
        # The official names of the files begin with the category.
        names = {path.name.partition(".")[0] for path, _ in self.interaction_files}
        category = names.pop() if len(names) == 1 else ""
        counts = FIVE_CORE_COUNTS.get(category) if k_core == 5 else None
        return None if counts is None else (category, counts)


@dataclass(frozen=True)
class AmazonReviews2023(ReviewFiles):
    """Reviews, items and official splits of Amazon Reviews 2023; the files of several categories make one dataset.

    With a `category`, the official files are downloaded to `data/raw/<dataset>/`, as `download:` says, and each must
    have its official size and SHA-256. Your own copies, or parts of them, are not checked. Raises `InputError` for a
    key whose value cannot be used, and for keys that do not go together.
    """

    combinations: ClassVar[Mapping[str, Any]] = {
        "expected": "either category, or reviews and meta, or the splits of an official split and meta",
        "oneOf": [
            {
                "required": needed,
                "not": {
                    "anyOf": [
                        {"required": [key]} for key in ("category", "reviews", "splits", "meta") if key not in needed
                    ]
                },
            }
            for needed in (["category"], ["reviews", "meta"], ["splits", "meta"])
        ],
    }
    official_splits = MappingProxyType({name: 5 if "5core" in name else 0 for name in OFFICIAL_SPLITS})

    reviews: Annotated[
        FilePaths | None,
        doc("Your own copies or parts of the reviews: `.jsonl`, `.jsonl.gz` or `.parquet`, a path or a list of paths."),
    ] = None
    meta: Annotated[
        FilePaths | None,
        doc("Your own copies or parts of the items: `.jsonl`, `.jsonl.gz` or `.parquet`, a path or a list of paths."),
    ] = None
    splits: Annotated[
        Annotated[Mapping[str, Any], KeysOf(OfficialSplitFiles)] | None,
        doc(
            "Instead of `reviews`, your own copies of the files of the official split that `preprocess: split` names: "
            "`{train: Musical_Instruments.train.csv, valid: …, test: …}`, `.csv` or `.csv.gz`, paths or lists of them."
        ),
    ] = None
    category: Annotated[
        str | Annotated[tuple[str, ...], MinLen(1)] | None,
        Worded("a category, a list of categories, or all"),
        doc("A category, a list of them, or `all`: the 33 categories and Unknown, 571 million reviews (377 GB)."),
    ] = None

    def __post_init__(self) -> None:
        self.check("amazon2023")

    @property
    def is_downloaded(self) -> bool:
        return self.category is not None

    @classmethod
    def release(cls, checksums: str | Path | None = None) -> Mapping[str, OfficialFile]:
        return official_files(checksums or TABLE, HOME)

    def located(self, folder: str, split: Any, release: Mapping[str, OfficialFile]) -> tuple[Self, Origin]:
        if self.category is None:
            return self, "given"
        names = chosen_categories(self.category, release)

        def downloads(paths: Iterable[str]) -> list[str]:
            return [f"{folder}/{path}" for path in paths]

        files: dict[str, Any] = {"meta": downloads(map(meta_path, names))}
        if isinstance(split, str) and split in OFFICIAL_SPLITS:
            files["splits"] = {part: downloads(split_path(split, name, part) for name in names) for part in SPLITS}
        else:
            files["reviews"] = downloads(map(reviews_path, names))
        return replace(self, category=None, **files), "downloaded"


def reviews_path(category: str) -> str:
    """Return where the release has the reviews of a category."""
    return f"raw/review_categories/{category}.jsonl"


def meta_path(category: str) -> str:
    """Return where the release has the items of a category."""
    return f"raw/meta_categories/meta_{category}.jsonl"


def split_path(split: str, category: str, part: str) -> str:
    """Return where the release has the `train`, `valid` or `test` part of a category, for a key of OFFICIAL_SPLITS."""
    return f"{OFFICIAL_SPLITS[split]}/{category}.{part}.csv"


def chosen_categories(choice: str | Sequence[str], files: Mapping[str, OfficialFile]) -> list[str]:
    """Return the categories that `choice` means: a name, several, or `all`, which is every category of `files`.

    Raises InputError for a name whose reviews or items are not among `files`.
    """
    names = {Path(path).stem for path in files}
    known = sorted(name for name in names if reviews_path(name) in files and meta_path(name) in files)
    if choice == "all":
        return known
    chosen = [choice] if isinstance(choice, str) else list(dict.fromkeys(choice))
    for name in chosen:
        if name not in known:
            raise InputError(f"category: '{name}' is none of {', '.join(known)}{nearest(name, known)}")
    return chosen
