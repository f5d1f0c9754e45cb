"""Releases: public data whose files have a known path, size and SHA-256, so that they can be downloaded."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from semid.errors import InputError

COLUMNS = ["path", "sha256", "size"]


class OfficialFile(NamedTuple):
    """A file of a release: its path there, the hexadecimal SHA-256 of its content and its size in bytes.

    `home` is the address of the release, to which the path is appended.
    """

    path: str
    sha256: str
    size: int
    home: str = ""


def official_files(table: str | Path, home: str = "") -> dict[str, OfficialFile]:
    """Read a table of files by their paths: tab-separated `path`, `sha256` and `size` under a header of these names.

    `home` is the address of the release. Raises InputError, naming the line, for anything else.
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
        files[row[0]] = OfficialFile(row[0], row[1], int(row[2]), home)
    return files


def official_file(path: str, files: Mapping[str, OfficialFile]) -> OfficialFile:
    """Return the file at `path`; an InputError names the nearest paths when the release has no such file."""
    if path not in files:
        raise InputError(f"{path} is no file of the release{nearest(path, files)}")
    return files[path]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the few known names that are most like `name`, apart from case and signs, as the end of a sentence."""
    spelt = {other.lower(): other for other in known}
    close = get_close_matches(re.sub(r"[\s,&-]+", "_", name.lower()), spelt, n=3)
    return f"; did you mean {' or '.join(spelt[other] for other in close)}?" if close else ""
