"""Values of Arrow files: plain whatever their encoding, and ids of items and users as strings."""

import csv
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semid.errors import InputError
from semid.files import first_line

SHOWN = 5
# whole numbers beyond this cannot be told apart as float64
LARGEST_EXACT_FLOAT = 2**53
# a whole number that went through a column of floats, which pandas makes of whole numbers with gaps
WHOLE_FLOAT = r"^(-?[0-9]+)\.0+$"
# what a file raises that is cut off or broken: values of any kind stand where others should
BROKEN = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    OverflowError,
    MemoryError,
    RecursionError,
    csv.Error,
    zlib.error,
    pa.ArrowException,
)


@contextmanager
def reading_table(path: str | Path, what: str) -> Iterator[None]:
    """Turn what csv, json, gzip and Arrow find wrong with a file into an `InputError` that names it.

    `what` says what is read from it.
    """
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except BROKEN as error:
        raise InputError(f"{path}: cannot read {what}: {first_line(error)}") from None


def first_few(ids: Any) -> str:
    """Return the first five ids, quoted, and dots if there are more."""
    shown = [str(name) for name in ids[:SHOWN]]
    return ", ".join(map(repr, shown)) + (", …" if len(ids) > SHOWN else "")


def id_strings(path: str | Path, ids: pa.Array, row: int) -> pa.LargeStringArray:
    """A batch of ids that begins at `row` of the file `path`, as `large_string`.

    Whole numbers of any type give one id: 7, 7.0 and "7.0" are "7". Categories, string views and bytes in UTF-8 are
    read as the strings that they are. Raises `InputError` for ids that are empty, and for those of another type.
    """
    ids = plain_values(ids)
    kind = ids.type
    if pa.types.is_floating(kind):
        ids = _whole_numbers(path, pc.cast(ids, pa.float64()), row)
    elif pa.types.is_decimal(kind):
        ids = _whole_numbers(path, ids, row)
    elif not (pa.types.is_integer(kind) or _is_text(kind) or pa.types.is_null(kind)):
        raise InputError(f"{path}: ids are {kind}; expected strings or whole numbers")
    try:
        strings = pc.cast(ids, pa.large_string())
    except pa.ArrowInvalid:
        raise InputError(f"{path}: ids are bytes that are no text in UTF-8; save them as strings") from None
    strings = pc.replace_substring_regex(strings, WHOLE_FLOAT, r"\1")
    empty = pc.fill_null(pc.equal(strings, ""), True)
    if pc.any(empty).as_py():
        raise InputError(f"{path}: the id in row {row + pc.index(empty, True).as_py()} is empty")
    return strings


def plain_values(values: pa.Array) -> pa.Array:
    """The same values without categories, run lengths and views: as numbers, strings, bytes or lists of such."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return plain_values(values.dictionary_decode())
    if pa.types.is_run_end_encoded(kind):
        return plain_values(pc.run_end_decode(values))
    if pa.types.is_string_view(kind):
        return pc.cast(values, pa.large_string())
    if pa.types.is_binary_view(kind):
        return pc.cast(values, pa.large_binary())
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        # not by a cast, which loses values where sizes differ (pyarrow 25)
        lengths = np.array([len(value) if value.is_valid else 0 for value in values], np.int64)
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        return pa.LargeListArray.from_arrays(offsets, values.flatten(), mask=values.is_null())
    return values


def _is_text(kind: pa.DataType) -> bool:
    tests = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_fixed_size_binary,
    )
    return any(test(kind) for test in tests)


def _whole_numbers(path: str | Path, numbers: pa.Array, row: int) -> pa.Array:
    """Numbers that are whole as int64; NaN becomes null. Raises `InputError` for the first that is not."""
    if pa.types.is_floating(numbers.type):
        numbers = pc.if_else(pc.is_nan(numbers), pa.scalar(None, numbers.type), numbers)
        is_wrong = pc.or_(
            pc.not_equal(pc.floor(numbers), numbers), pc.greater_equal(pc.abs(numbers), float(LARGEST_EXACT_FLOAT))
        )
    else:
        is_wrong = pc.not_equal(pc.floor(numbers), numbers)
    is_wrong = pc.fill_null(is_wrong, False)
    if pc.any(is_wrong).as_py():
        at = pc.index(is_wrong, True).as_py()
        raise InputError(
            f"{path}: the id in row {row + at} is {numbers[at].as_py()!r}, a {numbers.type}; expected strings or "
            "whole numbers that a float holds exactly: save ids as strings"
        )
    return pc.cast(numbers, pa.int64())
