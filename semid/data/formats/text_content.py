"""The bytes of text files: their encoding, their line ends, and a copy in UTF-8 where DuckDB needs one."""

import codecs
import gzip
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp
from typing import BinaryIO, NamedTuple, cast

from semid.data.connection import Database
from semid.errors import InputError

logger = logging.getLogger(__name__)

BYTES_AT_ONCE = 1 << 20
CHARACTERS_SEARCHED = 1 << 16
BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Encodings whose bytes are ASCII whatever they say.
SEVEN_BITS = ("iso2022", "hz", "utf-7")


def compression(path: Path) -> str:
    """Return the compression of the file, as DuckDB calls it."""
    return "gzip" if path.name.lower().endswith(".gz") else "none"


@contextmanager
def open_bytes(path: Path) -> Iterator[io.BufferedIOBase]:
    """Open a file for its bytes without compression."""
    with gzip.open(path, "rb") if compression(path) == "gzip" else open(path, "rb") as file:
        yield file


def readable_content(database: Database, path: Path, encoding: str) -> Path:
    """Return a file that DuckDB can read: the file at `path`, or a copy of it in UTF-8 with line feeds.

    There is a copy for another encoding, and for lines that end in carriage returns alone. Raises InputError for a file
    that is not in the encoding.
    """
    with open_bytes(path) as file:
        start = file.read(CHARACTERS_SEARCHED)
    is_utf_8 = codecs.lookup(encoding).name == "utf-8"
    if not is_utf_8 and _is_utf_8(path, encoding):
        # One encoding holds for all files of a dataset, of which one may be in UTF-8 all the same.
        logger.info("%s is read as UTF-8, which it is, and not as %s", path, encoding)
        is_utf_8, encoding = True, "utf-8"
    if is_utf_8:
        _refuse_utf_16(path, start)
    try:
        first = codecs.getincrementaldecoder(encoding)(errors="replace").decode(start)
    except UnicodeError as error:
        raise InputError(f"{path} is not {encoding}, the encoding of the dataset ({error})") from None
    lines_end_in_cr = "\r" in first[:-1] and "\n" not in first
    if is_utf_8 and not lines_end_in_cr:
        return path
    return _copy(database, path, encoding, lines_end_in_cr)


def _copy(database: Database, path: Path, encoding: str, universal: bool) -> Path:
    """Return a copy in UTF-8, all of whose lines end in line feeds if `universal`.

    Raises InputError for a file that is not in the encoding.
    """
    number, name = mkstemp(prefix="content-", dir=database.folder)
    copy = Path(name)
    # Bytes that are no UTF-8 stay as they are, so that their lines count as malformed like those of other files.
    errors = "surrogateescape" if codecs.lookup(encoding).name == "utf-8" else "strict"
    try:
        with (
            open_bytes(path) as file,
            io.TextIOWrapper(cast(BinaryIO, file), encoding, errors, newline=None if universal else "") as text,
            open(number, "w", encoding="utf-8", errors=errors, newline="") as out,
        ):
            while characters := text.read(BYTES_AT_ONCE):
                out.write(characters)
    except UnicodeError:
        line = _first_undecodable_line(path, encoding)
        raise InputError(
            f"{path}: line {line:,} is not {encoding}, the encoding of the dataset; name the right one under encoding"
        ) from None
    return copy


class LineEnds(NamedTuple):
    """The number of lines of a file, the last one with or without an end, and whether they need other ends.

    That is so where lines end in carriage returns alone, or in different ways; but inside of quotes, which a file of
    line feeds may have, a carriage return is part of a value.
    """

    lines: int
    are_mixed: bool


def line_ends(path: Path) -> LineEnds:
    """Count the lines of a file, which end in line feeds."""
    feeds = returns = both = quotes = 0
    last = b""
    with open_bytes(path) as file:
        while block := file.read(BYTES_AT_ONCE):
            feeds += block.count(b"\n")
            returns += block.count(b"\r")
            quotes += block.count(b'"')
            both += block.count(b"\r\n") + (last == b"\r" and block.startswith(b"\n"))
            last = block[-1:]
    are_mixed = returns > 0 and not feeds == returns == both and not (feeds and quotes)
    return LineEnds(feeds + (last not in (b"", b"\n")), are_mixed)


def with_line_feeds(database: Database, path: Path) -> Path:
    """Return a copy of a file in UTF-8 whose lines all end in line feeds."""
    return _copy(database, path, "utf-8", universal=True)


def encoding_fault(line: bytes) -> str:
    """Return what to do about a line that is no UTF-8, as the end of a sentence; empty where it is UTF-8."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        return (
            f"; that line is not UTF-8 (byte 0x{line[error.start]:02x}), so that the file is likely in another "
            "encoding: set encoding to it, such as latin-1 or cp1252"
        )
    return ""


def _is_utf_8(path: Path, encoding: str) -> bool:
    """Return whether all bytes of a file are UTF-8, as those of no other encoding with 8 or more bits are by chance."""
    if codecs.lookup(encoding).name.startswith(SEVEN_BITS) or codecs.lookup(encoding).name == "utf-8-sig":
        return False
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open_bytes(path) as file:
        try:
            while block := file.read(BYTES_AT_ONCE):
                # UTF-16 has bytes of value 0
                if b"\0" in block:
                    return False
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _refuse_utf_16(path: Path, start: bytes) -> None:
    """Raise InputError for the start of a file that is UTF-16 or UTF-32, which half of their bytes tell."""
    marked = start.startswith(BYTE_ORDER_MARKS)
    if not marked and start.count(0) * 3 < len(start):
        return
    wide = start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)) or start.count(0) * 3 > 2 * len(start)
    order = "" if marked else "-le" if start[1:2] == b"\0" else "-be"
    raise InputError(
        f"{path}: the encoding seems to be UTF-{32 if wide else 16}, not UTF-8, as line 1 has a mark of it or bytes of "
        f"value 0; set encoding: utf-{32 if wide else 16}{order}"
    )


def _first_undecodable_line(path: Path, encoding: str) -> int:
    with open_bytes(path) as file, io.TextIOWrapper(cast(BinaryIO, file), encoding, "replace") as text:
        return next((number for number, line in enumerate(text, start=1) if "\ufffd" in line), 1)
