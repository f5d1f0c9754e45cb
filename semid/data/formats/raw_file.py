"""What every format of raw files answers, and the SQL that formats share."""

import glob
import gzip
import io
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, Self

from semid.data.connection import Database, DatabaseError, first_line, identifier, literal
from semid.errors import InputError


class MalformedLines(NamedTuple):
    """The number of malformed lines that leave no row, and the line number (from 1) of the first of them."""

    n: int
    first: int | None


@dataclass(frozen=True)
class RawFile(ABC):
    """One input file as SQL: :meth:`query` reads it, and the other methods turn what it reads into values.

    columns: the types of the file's columns by their names.
    fields: the column of each of our fields; None for a field that the file does not have, whose values are NULL.
    """

    database: Database
    path: Path
    columns: Mapping[str, str]
    fields: Mapping[str, str | None] = field(default_factory=dict)

    @classmethod
    @abstractmethod
    def opened(cls, database: Database, path: Path) -> Self:
        """Return the file at `path`, as yet without fields."""

    def with_fields(self, fields: Mapping[str, str | None]) -> Self:
        """Return this file with these fields."""
        return replace(self, fields=fields)

    @abstractmethod
    def relation(self) -> str:
        """Return SQL of the table that DuckDB reads from the file."""

    def query(self) -> str:
        """Return a query for `malformed` (BOOLEAN) and the raw value of each field, `<field>_value`."""
        values = ", ".join(
            f"{'NULL::VARCHAR' if column is None else identifier(column)} AS {name}_value"
            for name, column in self.fields.items()
        )
        return f"SELECT false AS malformed, {values} FROM {self.relation()}"

    @abstractmethod
    def scalar(self, name: str) -> str:
        """Return SQL for a number or string as VARCHAR; NULL for nothing, NaN, empty text or another type."""

    @abstractmethod
    def prose(self, name: str) -> str:
        """Return SQL for text as VARCHAR, the elements of a list joined by spaces."""

    @abstractmethod
    def strings(self, name: str, separator: str | None) -> str:
        """Return SQL for VARCHAR[]; text is cut at `separator`, or becomes a list of one."""

    @abstractmethod
    def is_scalar(self, name: str) -> str:
        """Return SQL for whether the value is no list or record."""

    @abstractmethod
    def is_prose(self, name: str) -> str:
        """Return SQL for whether the value is no record."""

    def milliseconds(self, name: str) -> str | None:
        """Return SQL for the milliseconds of a date-time column, None for a column of another type."""
        return None

    def malformed_lines(self) -> MalformedLines:
        """Return the malformed lines that left no row, once the file is read."""
        return MalformedLines(0, None)

    def line_of_row(self, row: int) -> int | None:
        """Return the line number (from 1) of the row counted from 0; None where rows are no lines."""
        return None


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what DuckDB or Python find wrong with a file into an InputError that names it."""
    try:
        yield
    except (DatabaseError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        message = first_line(error).replace(glob.escape(str(path.resolve())), path.name)
        cut_off = isinstance(error, EOFError) or "end of GZIP" in message
        hint = "; the file is cut off: copy or download it again" if cut_off else ""
        raise InputError(f"{path} cannot be read: {message}{hint}") from None


def compression(path: Path) -> str:
    """Return the compression of the file, as DuckDB calls it."""
    return "gzip" if path.name.lower().endswith(".gz") else "none"


@contextmanager
def open_bytes(path: Path) -> Iterator[io.BufferedIOBase]:
    """Open a file for its bytes without compression."""
    with gzip.open(path, "rb") if compression(path) == "gzip" else open(path, "rb") as file:
        yield file


def blank(text: str) -> str:
    """Return SQL for whether a text holds nothing but white space; NULL for NULL."""
    return f"NOT regexp_matches({text}, '[^ \t\r\n]')"  # several times faster than trim


def cut(text: str, separator: str | None) -> str:
    """Return SQL for the parts of a text between separators, or for a list of the whole; empty where it is blank."""
    parts = f"[{text}]" if separator is None else f"string_split({text}, {literal(separator)})"
    return f"CASE WHEN {blank(text)} OR {text} IS NULL THEN [] ELSE {parts} END"
