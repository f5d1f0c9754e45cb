"""The formats of raw files by the endings of their names."""

from collections.abc import Mapping
from pathlib import Path

from semid.data.connection import Database
from semid.data.formats.csv_file import Atomic, Csv
from semid.data.formats.json_lines import JsonLines
from semid.data.formats.parquet import Parquet
from semid.data.formats.raw_file import RawFile, reading
from semid.data.sources.source import ATOMIC, CSV, JSON_LINES, PARQUET, PLAIN, TextLayout
from semid.errors import InputError

# Another format is a class here, its endings in sources/source.py, and an entry of this table.
FORMATS: Mapping[tuple[str, ...], type[RawFile]] = {JSON_LINES: JsonLines, CSV: Csv, ATOMIC: Atomic, PARQUET: Parquet}


def open_raw_file(database: Database, path: Path, layout: TextLayout = PLAIN) -> RawFile:
    """Make the file at `path` readable, as yet without fields. `layout` is how a text file is written.

    The path must have passed :meth:`semid.data.sources.source.Source.check_files`, which refuses unknown endings.
    Raises InputError if its columns cannot be read.
    """
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty")
    kind = next(kind for endings, kind in FORMATS.items() if path.name.lower().endswith(endings))
    with reading(path):
        return kind.opened(database, path, layout)
