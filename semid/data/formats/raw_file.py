"""What every format of raw files answers, and the SQL that formats share."""

import glob
import gzip
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Self

from semid.data.connection import Database, DatabaseError, identifier, literal
from semid.data.sources.source import PLAIN, TextLayout
from semid.errors import InputError
from semid.files import column_list, first_line
from semid.ids import FLOAT_AS_TEXT, INEXACT_FROM, WHOLE_FLOAT

# The types of floats in DuckDB, and from where on they no longer tell whole numbers apart.
INEXACT_FROM_BY_TYPE = {"FLOAT": INEXACT_FROM[32], "DOUBLE": INEXACT_FROM[64]}


class MalformedLines(NamedTuple):
    """The number of malformed lines that leave no row, and the line number (from 1) of the first of them.

    what: what is wrong with the first line, as the end of a sentence; empty where nothing more is known.
    """

    n: int
    first: int | None
    what: str = ""


@dataclass(frozen=True)
class RawFile(ABC):
    """One input file as SQL: :meth:`query` reads it, and the other methods turn what it reads into values.

    columns: the types of the file's columns by their names.
    layout: how a text file is written.
    content: where the content lies as DuckDB can read it: `path` itself, or a copy in UTF-8.
    n_lines: the lines of the content, for a text file.
    fields: the column of each of our fields; None for a field that the file does not have, whose values are NULL.
    lists: the fields whose texts are lists as Python or JSON writes them, and are read as such.
    """

    database: Database
    path: Path
    columns: Mapping[str, str]
    layout: TextLayout = PLAIN
    content: Path = Path()
    n_lines: int = 0
    fields: Mapping[str, str | None] = field(default_factory=dict)
    lists: frozenset[str] = frozenset()

    @classmethod
    @abstractmethod
    def opened(cls, database: Database, path: Path, layout: TextLayout) -> Self:
        """Return the file at `path`, as yet without fields."""

    def with_fields(self, fields: Mapping[str, str | None]) -> Self:
        """Return this file with these fields."""
        return replace(self, fields=fields)

    def with_lists(self, lists: frozenset[str]) -> Self:
        """Return this file, with the texts of these fields read as lists."""
        return replace(self, lists=lists)

    def close(self) -> None:
        """Remove the copy of the content, where there is one."""
        if self.content != self.path:
            self.content.unlink(missing_ok=True)

    def has_column(self, name: str) -> bool:
        """Return whether the file has a column of this name."""
        return name in self.columns

    def may_have_column(self, name: str) -> bool:
        """Return whether the file may have a column of this name, whose values are NULL if it does not."""
        return name in self.columns

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

    def prose(self, name: str) -> str:
        """Return SQL for text as VARCHAR, the elements of a list joined by spaces."""
        text = f"{name}_value::VARCHAR"
        return f"array_to_string({list_text(text)}, ' ')" if name in self.lists else text

    def strings(self, name: str, separator: str | None) -> str:
        """Return SQL for VARCHAR[]; text is cut at `separator`, or becomes a list of one."""
        text = f"{name}_value::VARCHAR"
        return f"coalesce({list_text(text)}, [])" if name in self.lists else cut(text, separator)

    def as_json(self, name: str) -> str:
        """Return SQL for a value of any type as the text of its JSON; NULL for nothing and NaN."""
        return f"to_json({name}_value)::VARCHAR"

    @abstractmethod
    def is_scalar(self, name: str) -> str:
        """Return SQL for whether the value is no list or record."""

    @abstractmethod
    def is_prose(self, name: str) -> str:
        """Return SQL for whether the value is no record."""

    def identifier(self, name: str) -> str:
        """Return SQL for an id as VARCHAR, which is `1000` for `1000.0`, where `<field>_scalar` is :meth:`scalar`."""
        return whole_number(f"{name}_scalar")

    def is_inexact(self, name: str) -> str:
        """Return SQL for whether an id is a fraction, or a float that is too large to tell whole numbers apart.

        `<field>_scalar` is :meth:`scalar`.
        """
        return is_inexact_text(f"{name}_scalar")

    def text(self, name: str) -> str | None:
        """Return SQL for a value that is text as VARCHAR, NULL for other values; None for a column of another type."""
        return f"{name}_value"

    def milliseconds(self, name: str) -> str | None:
        """Return SQL for the milliseconds of a date-time column, None for a column of another type."""
        return None

    def forget_malformed_lines(self) -> None:  # noqa: B027
        """Forget the malformed lines of earlier queries, before the file is read."""

    def malformed_lines(self, rows: int) -> MalformedLines:
        """Return the malformed lines that left no row, once the file is read into so many rows."""
        return MalformedLines(0, None)

    def line_of_row(self, row: int) -> int | None:
        """Return the line number (from 1) of the row counted from 0; None where rows are no lines."""
        return None

    def fault_of_line(self, number: int) -> str:
        """Return what is wrong with a line by its number (from 1), as the end of a sentence; empty if unknown."""
        return ""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what DuckDB or Python find wrong with a file into an InputError that names it."""
    try:
        yield
    except (DatabaseError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        message = first_line(error).replace(glob.escape(str(path.resolve())), path.name)
        cut_off = isinstance(error, EOFError) or "end of GZIP" in message
        hint = "; the file is cut off: copy or download it again" if cut_off else ""
        if "blob to UTF8" in message:
            hint = "; a column of bytes is no text in UTF-8: save ids and texts as strings"
        raise InputError(f"{path} cannot be read: {message.rstrip('. ')}{hint}") from None


def refuse_twins(path: Path, names: Sequence[str]) -> None:
    """Raise InputError for a file that names a column twice, or two in different case, which DuckDB takes for one."""
    if len(set(names)) < len(names):
        raise InputError(f"{path}: the file names a column twice: {column_list(names)}")
    for one, other in pairwise(sorted(names, key=lambda name: (name.lower(), name))):
        if one.lower() == other.lower():
            raise InputError(f"{path} has both {one!r} and {other!r}, which differ in case alone: rename one of them")


def blank(text: str) -> str:
    """Return SQL for whether a text holds nothing but white space; NULL for NULL."""
    return f"NOT regexp_matches({text}, '[^ \t\r\n]')"  # several times faster than trim


def whole_number(text: str) -> str:
    """Return SQL for a text without the `.0` of a whole number that went through a float."""
    # a regular expression alone takes several times as long
    return f"CASE WHEN contains({text}, '.0') THEN regexp_replace({text}, '{WHOLE_FLOAT}', '\\1') ELSE {text} END"


def is_inexact_text(text: str) -> str:
    """Return SQL for whether a text is a float too large to tell whole numbers apart, such as `1.8e+19`."""
    may_be = f"contains({text}, '.0') OR contains({text}, '+')"
    is_float = f"regexp_matches({text}, '{FLOAT_AS_TEXT}')"
    too_large = f"abs(TRY_CAST({text} AS DOUBLE)) >= {INEXACT_FROM[64]}"
    return f"(CASE WHEN {may_be} THEN {is_float} AND {too_large} ELSE false END)"


def list_text(text: str) -> str:
    """Return SQL for the elements of a list that Python or JSON wrote as text; NULL for any other text.

    The elements of nested lists become one list. `['a' 'b']` and `[1 2]`, which numpy writes, are no lists here.
    """
    simple = f"coalesce(TRY_CAST(TRY_CAST({text} AS JSON) AS VARCHAR[]), TRY_CAST({text} AS VARCHAR[]))"
    nested = f"flatten(TRY_CAST({text} AS VARCHAR[][]))"
    return (
        f"CASE WHEN NOT regexp_matches({text}, '^\\s*\\[.*\\]\\s*$', 's') THEN NULL "
        f"WHEN regexp_matches({text}, '[''\"]\\s+[''\"]|^\\s*\\[[^,]*[0-9]\\s+-?[0-9]') THEN NULL "
        f"WHEN regexp_matches({text}, '^\\s*\\[\\s*\\[') THEN {nested} ELSE {simple} END"
    )


def cut(text: str, separator: str | None) -> str:
    """Return SQL for the parts of a text between separators, or for a list of the whole; empty where it is blank."""
    parts = f"[{text}]" if separator is None else f"string_split({text}, {literal(separator)})"
    return f"CASE WHEN {blank(text)} OR {text} IS NULL THEN [] ELSE {parts} END"
