"""Gzipped JSON Lines whose bytes depend on the rows alone."""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def gzip_writer(path: Path) -> Iterator[BinaryIO]:
    """Open `path` for gzip, with no file name and no time among the bytes."""
    with open(path, "wb") as file, gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=1, mtime=0) as out:
        yield out  # type: ignore[misc]


def json_lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return the rows as JSON objects, one a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
