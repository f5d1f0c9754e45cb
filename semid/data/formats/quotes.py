"""Quoted fields of CSV files that hold line ends: which are text of several lines, and which swallow rows."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

QUOTED = re.compile(rb'"(?:[^"]|"")*+"')
REST_OF_QUOTED = re.compile(rb'(?:[^"]|"")*+"')
# A text of several lines seldom has as many separators in most of its lines as a row has.
SHARE_OF_ROWS = 2 / 3
# A quoted value with more bytes than this is one that nothing closes.
LARGEST_QUOTED = 1 << 24


@dataclass
class Span:
    """The lines (from 1) of one record with a quoted field that holds line ends, and the bytes (from 0) of them.

    like_rows: how many of the lines look like whole rows. blank: how many are empty. is_closed: whether the quote
    closes before the file ends.
    """

    first_line: int
    last_line: int
    start: int
    stop: int
    like_rows: int
    blank: int = 0
    is_closed: bool = False

    @property
    def lines(self) -> int:
        return self.last_line - self.first_line + 1


@dataclass
class LineCounts:
    """The lines of a CSV file that begin no row: the empty ones, and those that a text of several lines goes on in.

    stray: the first span that swallows rows.
    """

    blank: int = 0
    continued: int = 0
    stray: Span | None = None


def count_lines(lines: Iterable[bytes], separator: bytes, n_columns: int, rejected: Sequence[int]) -> LineCounts:
    """Count the lines of a CSV file whose rows have `n_columns` values.

    A record of several lines swallows rows where its quote never closes, where two thirds of its lines look like rows,
    or where one of the `rejected` bytes, which are ascending, is in it. Its lines are not counted.
    """
    counts = LineCounts()
    for span in _spans(lines, separator, n_columns, counts):
        at = bisect_left(rejected, span.start)
        is_rejected = at < len(rejected) and rejected[at] < span.stop
        if span.is_closed and not is_rejected and span.like_rows < SHARE_OF_ROWS * span.lines:
            counts.continued += span.lines - 1
        else:
            counts.stray = counts.stray or span
    return counts


def with_line_feeds(blocks: Iterable[bytes], separator: str | None) -> Iterator[bytes]:
    """Yield a text file with line feeds at the ends of all lines, whatever the file has there.

    The line ends inside of quoted values stay as they are, which stand between `separator`; None where nothing is
    quoted. A quote that swallows rows, as :func:`count_lines` has it, is no quoted value, so that its lines count.
    """
    cuts = None if separator is None else separator.encode()
    n_columns = 0
    quoted: list[bytes] = []
    size = 0
    for line in _any_lines(blocks):
        if cuts is None:
            yield _with_line_feed(line)
            continue
        n_columns = n_columns or line.count(cuts) + 1
        quoted.append(line)
        size += len(line)
        if len(quoted) == 1:
            is_open = b'"' in line and _opens(line, 0, cuts)
        else:
            match = REST_OF_QUOTED.match(line) if b'"' in line else None
            is_open = match is None or _opens(line, match.end(), cuts)
        if is_open and size < LARGEST_QUOTED:
            continue
        like_rows = sum(_is_like_row(part, cuts, n_columns) for part in quoted)
        is_value = not is_open and like_rows < SHARE_OF_ROWS * len(quoted)
        yield from (quoted[:-1] if is_value else map(_with_line_feed, quoted[:-1]))
        yield _with_line_feed(line)
        if is_open:
            cuts = None
        quoted, size = [], 0
    yield from map(_with_line_feed, quoted)


def _any_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines with their ends, which may be line feeds, carriage returns or both."""
    rest = b""
    for block in blocks:
        # the last line may go on in the next block, as may its end
        *lines, rest = (rest + block).splitlines(keepends=True) or [b""]
        yield from lines
    if rest:
        yield rest


def _with_line_feed(line: bytes) -> bytes:
    return line.rstrip(b"\r\n") + b"\n" if line.endswith((b"\r", b"\n")) else line


def _spans(lines: Iterable[bytes], separator: bytes, n_columns: int, counts: LineCounts) -> Iterator[Span]:
    """Yield each record of several lines, and count the blank lines outside of them."""
    numbered = enumerate(lines, start=1)
    stop = 0
    for number, line in numbered:
        start = stop
        stop += len(line)
        counts.blank += not line.strip(b"\r\n")
        if b'"' not in line or not _opens(line, 0, separator):
            continue
        span = Span(number, number, start, stop, _is_like_row(line, separator, n_columns))
        for _, later in numbered:
            stop += len(later)
            span.last_line += 1
            span.like_rows += _is_like_row(later, separator, n_columns)
            span.blank += not later.strip(b"\r\n")
            if b'"' in later and (match := REST_OF_QUOTED.match(later)) and not _opens(later, match.end(), separator):
                span.is_closed = True
                break
        span.stop = stop
        yield span


def _is_like_row(line: bytes, separator: bytes, n_columns: int) -> bool:
    return n_columns > 1 and line.count(separator) == n_columns - 1


def _opens(line: bytes, position: int, separator: bytes) -> bool:
    """Return whether a quoted field opens in the line, at or behind `position`, and does not close there."""
    while True:
        if line[position : position + 1] == b'"':
            match = QUOTED.match(line, position)
            if match is None:
                return True
            position = match.end()
        position = line.find(separator, position) + 1
        if position == 0:
            return False
