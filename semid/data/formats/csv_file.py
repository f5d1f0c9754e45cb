"""Comma-separated values, and the atomic files of RecBole."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Self

from semid.data.connection import Database, literal, path_literal
from semid.data.formats.quotes import Span, count_lines
from semid.data.formats.raw_file import MalformedLines, RawFile, blank, refuse_twins
from semid.data.formats.text_content import (
    BYTES_AT_ONCE,
    compression,
    encoding_fault,
    open_bytes,
    readable_content,
)
from semid.data.sources.source import INTERACTION_FIELDS, TextLayout
from semid.errors import InputError
from semid.files import first_line

NUMBERS = ("timestamp", "rating")
SEPARATORS = {",": "','", ";": "';'", "\t": "a tab", "|": "'|'"}
# A row with more bytes than this is malformed. DuckDB reads as many at once, and itself allows a sixteenth of them.
LARGEST_ROW = 32_000_000


class Csv(RawFile):
    """Separated values under a header line, which is one of the lines; all values are text, empty ones NULL."""

    quote: ClassVar[str] = '"'
    separator: ClassVar[str] = ","

    @classmethod
    def opened(cls, database: Database, path: Path, layout: TextLayout) -> Self:
        layout = layout._replace(separator=layout.separator or cls.separator)
        separator = str(layout.separator)
        content = readable_content(database, path, layout.encoding, separator if cls.quote else None)
        names = cls._header(path, content.path, separator)
        if not names:
            raise InputError(f"{path}: line 1 is empty; it has to be the header, with the names of the columns")
        # A table saved with its row numbers has a column without a name.
        columns = [name or f"column {i}" for i, name in enumerate(names, start=1)]
        if len(columns) == 1:
            _refuse_other_separator(path, columns[0], separator)
        opened = cls(database, path, cls.types(columns), layout, content.path, n_lines=content.lines)
        refuse_twins(path, list(opened.columns) if len(opened.columns) == len(columns) else columns)
        return opened

    @classmethod
    def _header(cls, path: Path, content: Path, separator: str) -> list[str]:
        """Return the names of the columns, from the first record of the content of the file at `path`."""

        def texts(lines: Iterable[bytes]) -> Iterator[str]:
            for number, line in enumerate(lines, start=1):
                if fault := encoding_fault(line):
                    raise InputError(f"{path}: the header, line {number}, cannot be read{fault}")
                yield line.decode("utf-8-sig")

        with open_bytes(content) as file:
            try:
                return next(
                    csv.reader(
                        texts(file), delimiter=separator, quoting=csv.QUOTE_MINIMAL if cls.quote else csv.QUOTE_NONE
                    ),
                    [],
                )
            except csv.Error as error:
                raise InputError(f"{path}: the header, line 1, cannot be read ({error})") from None

    @classmethod
    def types(cls, columns: list[str]) -> Mapping[str, str]:
        """Return the types of the columns by their names, from what the header has."""
        return dict.fromkeys(columns, "VARCHAR")

    def relation(self) -> str:
        types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in self.columns)
        return (
            f"read_csv({path_literal(self.content)}, compression = '{compression(self.content)}', "
            f"auto_detect = false, header = true, columns = {{{types}}}, "
            f"delim = {literal(str(self.layout.separator))}, "
            f"quote = {literal(self.quote)}, escape = {literal(self.quote)}, "
            "ignore_errors = true, store_rejects = true, rejects_limit = 0, "
            f"max_line_size = {LARGEST_ROW}, "
            f"buffer_size = {LARGEST_ROW})"
        )

    def query(self) -> str:
        # A number with a line end inside, or an id with a line end and a separator: a stray quote has swallowed rows.
        separator = literal(str(self.layout.separator))
        swallows = " OR ".join(
            f"contains({name}_value, chr(10))"
            + ("" if name in NUMBERS else f" AND contains({name}_value, {separator})")
            for name in self.fields
            if name in INTERACTION_FIELDS
        )
        return f"SELECT * REPLACE (coalesce({swallows or 'false'}, false) AS malformed) FROM ({super().query()})"

    def scalar(self, name: str) -> str:
        value = f"{name}_value"
        if name in NUMBERS and self.layout.decimal != ".":
            value = f"replace({value}, {literal(self.layout.decimal)}, '.')"
        return f"CASE WHEN {blank(f'{name}_value')} THEN NULL ELSE {value} END"

    def is_scalar(self, name: str) -> str:
        return "true"

    def is_prose(self, name: str) -> str:
        return "true"

    def forget_malformed_lines(self) -> None:
        for table in ("reject_errors", "reject_scans"):
            self.database.execute(f"DROP TABLE IF EXISTS {table}")

    def malformed_lines(self, rows: int) -> MalformedLines:
        rejected = self.database.rows(
            "SELECT line, min(coalesce(line_byte_position, byte_position)) AS byte, min(error_message) AS message "
            "FROM reject_errors GROUP BY line ORDER BY byte"
        )
        missing = self.n_lines - 1 - rows - len(rejected)
        lost = 0
        stray = None
        if missing > 0:
            separator = str(self.layout.separator).encode()
            with open_bytes(self.content) as file:
                counts = count_lines(file, separator, len(self.columns), [row.byte for row in rejected])
            lost = max(0, missing - counts.blank - counts.continued)
            stray = counts.stray
        n = len(rejected) + lost
        if lost:
            return MalformedLines(n, None if stray is None else stray.first_line, _what_is_lost(stray, lost))
        if not rejected:
            return MalformedLines(0, None)
        first = self._line_at(rejected[0].byte)
        undecodable = next((row for row in rejected if "utf-8" in row.message), None)
        if undecodable is None:
            return MalformedLines(n, first, f" ({first_line(rejected[0].message)})")
        # The first line in another encoding tells more than the first line of all.
        first = self._line_at(undecodable.byte)
        return MalformedLines(n, first, self.fault_of_line(first))

    def fault_of_line(self, number: int) -> str:
        with open_bytes(self.content) as file:
            line = next((line for i, line in enumerate(file, start=1) if i == number), b"")
        return encoding_fault(line)

    def _line_at(self, byte: int) -> int:
        """Return the number (from 1) of the line with this byte (from 0)."""
        lines = 1
        with open_bytes(self.content) as file:
            while byte > 0 and (block := file.read(min(byte, BYTES_AT_ONCE))):
                lines += block.count(b"\n")
                byte -= len(block)
        return lines


class Atomic(Csv):
    """RecBole's atomic files: tab-separated values without quotes, whose header gives a type behind each name."""

    quote: ClassVar[str] = ""
    separator: ClassVar[str] = "\t"

    @classmethod
    def types(cls, columns: list[str]) -> Mapping[str, str]:
        return {name: kind or "token" for name, _, kind in (column.partition(":") for column in columns)}

    def strings(self, name: str, separator: str | None) -> str:
        column = self.fields[name]
        is_sequence = column is not None and self.columns[column].endswith("_seq")
        return super().strings(name, separator or (" " if is_sequence else None))


def _what_is_lost(stray: Span | None, lost: int) -> str:
    """Return how lines came to end in no row, as the end of a sentence about the first of them."""
    if stray is None:
        return f"; {lost:,} lines ended in no row, which is likely the fault of a quote that nothing closes"
    end = f"closes in line {stray.last_line:,}" if stray.is_closed else "nothing closes"
    return (
        f", where a quote opens that {end}: {lost:,} lines ended in no row of their own; remove the quote, or write it "
        "twice inside a quoted text"
    )


def _refuse_other_separator(path: Path, header: str, separator: str) -> None:
    """Raise InputError for a header of one column that another separator would cut."""
    others = [other for other in SEPARATORS if other != separator and other in header]
    if others:
        other = max(others, key=header.count)
        written = '"\\t"' if other == "\t" else f'"{other}"'
        raise InputError(
            f"{path} has a single column, {header!r}: the file seems to be separated by {SEPARATORS[other]}, not by "
            f'{SEPARATORS.get(separator, repr(separator))}; set separator: {written} (and decimal: "," where '
            "numbers have a decimal comma)"
        )
