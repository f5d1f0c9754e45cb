"""The official files of Amazon Reviews 2023 (Hou et al., 2024). Standard library only: Snakemake imports it to plan."""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from semid.errors import InputError

TABLE = Path(__file__).with_suffix(".tsv")
COLUMNS = ["path", "sha256", "size"]
# `split:` of a dataset → folder of the release
OFFICIAL_SPLITS = {
    "official_5core_last_out": "benchmark/5core/last_out",
    "official_5core_timestamp": "benchmark/5core/timestamp",
    "official_0core_last_out": "benchmark/0core/last_out",
    "official_0core_timestamp": "benchmark/0core/timestamp",
}


class Counts(NamedTuple):
    """Size of a set of interactions."""

    users: int
    items: int
    interactions: int


# The official 5-core sets whose sizes have been published to the last digit.
FIVE_CORE_COUNTS = {
    "Musical_Instruments": Counts(57_439, 24_587, 511_836),
    "Video_Games": Counts(94_762, 25_612, 814_586),
    "Industrial_and_Scientific": Counts(50_985, 25_848, 412_947),
    "Beauty_and_Personal_Care": Counts(729_576, 207_649, 6_624_441),
    "Books": Counts(776_370, 495_063, 9_488_297),
}


class OfficialFile(NamedTuple):
    """A file of the release: its path there, the hexadecimal SHA-256 of its content and its size in bytes."""

    path: str
    sha256: str
    size: int


def official_files(table: str | Path = TABLE) -> dict[str, OfficialFile]:
    """Read a table of files by their paths: tab-separated `path`, `sha256` and `size` under a header of these names.

    The one that comes with semid lists the reviews, the items and the benchmark splits of the release. Raises
    InputError, naming the line, for anything else.
    """
    try:
        lines = Path(table).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{table}: cannot be read as a table of files ({error})") from None
    if not lines or lines[0].split("\t") != COLUMNS:
        raise InputError(f"{table}: the first line must be the tab-separated column names {', '.join(COLUMNS)}")
    files: dict[str, OfficialFile] = {}
    for number, row in enumerate((line.split("\t") for line in lines[1:]), start=2):
        if not (
            len(row) == len(COLUMNS)
            and re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)*", row[0], flags=re.ASCII)
            and re.fullmatch(r"[0-9a-f]{64}", row[1])
            and re.fullmatch(r"[0-9]+", row[2])
        ):
            raise InputError(
                f"{table}: line {number}: expected a relative path, 64 hexadecimal digits in lower case and a number "
                f"of bytes, tab-separated; found {row}"
            )
        if row[0] in files:
            raise InputError(f"{table}: line {number}: {row[0]} is there twice")
        files[row[0]] = OfficialFile(row[0], row[1], int(row[2]))
    return files


def official_file(path: str, files: Mapping[str, OfficialFile]) -> OfficialFile:
    """The file at `path`; an InputError names the nearest ones when the release has none there."""
    if path not in files:
        raise InputError(f"{path} is no file of the release{_nearest(path, files)}")
    return files[path]


def reviews_path(category: str) -> str:
    """Where the release has a category's reviews."""
    return f"raw/review_categories/{category}.jsonl"


def meta_path(category: str) -> str:
    """Where the release has a category's items."""
    return f"raw/meta_categories/meta_{category}.jsonl"


def split_path(split: str, category: str, part: str) -> str:
    """Where the release has the `train`, `valid` or `test` part of a category, for a key of OFFICIAL_SPLITS."""
    return f"{OFFICIAL_SPLITS[split]}/{category}.{part}.csv"


def chosen_categories(choice: str | Sequence[str], files: Mapping[str, OfficialFile]) -> list[str]:
    """The categories that `choice` means: a name, several, or `all`, which is every category of `files` by name.

    Raises InputError for a name whose reviews or items are not among `files`.
    """
    names = {Path(path).stem for path in files}
    known = sorted(name for name in names if reviews_path(name) in files and meta_path(name) in files)
    if choice == "all":
        return known
    chosen = [choice] if isinstance(choice, str) else list(dict.fromkeys(choice))
    for name in chosen:
        if name not in known:
            raise InputError(f"category: '{name}' is none of {', '.join(known)}{_nearest(name, known)}")
    return chosen


def _nearest(name: str, known: Iterable[str]) -> str:
    """The few names most like `name`, whatever their case and signs between words, as the end of a sentence."""
    spelt = {other.lower(): other for other in known}
    close = get_close_matches(re.sub(r"[\s,&-]+", "_", name.lower()), spelt, n=3)
    return f"; did you mean {' or '.join(spelt[other] for other in close)}?" if close else ""
