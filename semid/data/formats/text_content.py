"""The bytes of text files: their encoding, their lines, and a copy in UTF-8 where DuckDB needs one."""

import codecs
import gzip
import io
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp
from typing import BinaryIO, NamedTuple, cast

from semid.data.connection import Database
from semid.data.formats.quotes import with_line_feeds
from semid.errors import InputError

logger = logging.getLogger(__name__)

BYTES_AT_ONCE = 1 << 20
BYTES_SEARCHED = 1 << 16
BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Encodings whose bytes are ASCII whatever they say.
SEVEN_BITS = ("iso2022", "hz", "utf-7")


class Content(NamedTuple):
    """Where the content of a text file lies as DuckDB can read it, and the number of its lines.

    The last line counts with or without an end, and lines inside of quotes count too.
    """

    path: Path
    lines: int


def compression(path: Path) -> str:
    """Return the compression of the file, as DuckDB calls it."""
    return "gzip" if path.name.lower().endswith(".gz") else "none"


@contextmanager
def open_bytes(path: Path) -> Iterator[io.BufferedIOBase]:
    """Open a file for its bytes without compression."""
    with gzip.open(path, "rb") if compression(path) == "gzip" else open(path, "rb") as file:
        yield file


def readable_content(database: Database, path: Path, encoding: str, separator: str | None = None) -> Content:
    """Return the content of the file at `path` as DuckDB can read it: the file itself, or a copy.

    The copy is in UTF-8, and its lines end in line feeds; there is one for another encoding, and for lines that end in
    carriage returns or in different ways. `separator` is what stands between values that may be quoted, whose own line
    ends stay as they are; None where nothing is quoted. Raises InputError for a file that is not in the encoding.
    """
    is_utf_8 = codecs.lookup(encoding).name == "utf-8"
    if not is_utf_8 and _is_utf_8(path, encoding):
        # One encoding holds for all files of a dataset, of which one may be in UTF-8 all the same.
        logger.info("%s is read as UTF-8, which it is, and not as %s", path, encoding)
        is_utf_8 = True
    if is_utf_8:
        encoding = "utf-8"
        with open_bytes(path) as file:
            _refuse_utf_16(path, file.read(BYTES_SEARCHED))
    try:
        ends = _line_ends(_blocks(path, encoding))
        if is_utf_8 and not ends.are_mixed:
            return Content(path, ends.lines)
        return _copy(database, _blocks(path, encoding), separator, ends.are_mixed)
    except UnicodeError:
        line = _first_undecodable_line(path, encoding)
        raise InputError(
            f"{path}: line {line:,} is not {encoding}, the encoding of the dataset; name the right one under encoding"
        ) from None


def _blocks(path: Path, encoding: str) -> Iterator[bytes]:
    """Yield the content of a file in UTF-8. The bytes of a file that should be UTF-8 stay as they are."""
    with open_bytes(path) as file:
        if encoding == "utf-8":
            while block := file.read(BYTES_AT_ONCE):
                yield block
            return
        decoder = codecs.getincrementaldecoder(encoding)()
        is_start = True
        while block := file.read(BYTES_AT_ONCE):
            text = decoder.decode(block)
            yield (text.removeprefix("\ufeff") if is_start else text).encode()
            is_start = is_start and not text
        yield decoder.decode(b"", final=True).encode()


def _copy(database: Database, blocks: Iterable[bytes], separator: str | None, are_mixed: bool) -> Content:
    number, name = mkstemp(prefix="content-", dir=database.folder)
    lines = 0
    last = b""
    with open(number, "wb") as out:
        for block in with_line_feeds(blocks, separator) if are_mixed else blocks:
            out.write(block)
            lines += block.count(b"\n")
            last = block[-1:] or last
    return Content(Path(name), lines + (last not in (b"", b"\n")))


class LineEnds(NamedTuple):
    """The number of lines of a file that end in line feeds, and whether some have other ends than the rest."""

    lines: int
    are_mixed: bool


def _line_ends(blocks: Iterable[bytes]) -> LineEnds:
    feeds = returns = both = 0
    last = b""
    for block in blocks:
        feeds += block.count(b"\n")
        returns += block.count(b"\r")
        both += block.count(b"\r\n") + (last == b"\r" and block.startswith(b"\n"))
        last = block[-1:] or last
    return LineEnds(feeds + (last not in (b"", b"\n")), returns > 0 and not feeds == returns == both)


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
        try:
            return next((number for number, line in enumerate(text, start=1) if "\ufffd" in line), 1)
        except UnicodeError:
            # UTF-16 without its mark fails at once, whatever takes the place of what cannot be read
            return 1
