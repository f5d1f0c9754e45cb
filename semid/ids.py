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
# From here on a float of so many bits no longer tells whole numbers apart: an id below is what it says, if it is whole.
INEXACT_FROM = {16: 2**11, 32: 2**24, 64: 2**53}
# a whole number that went through a column of floats, which pandas makes of whole numbers with gaps
WHOLE_FLOAT = r"^(-?[0-9]+)\.0+$"
# a float as text, which is an id unless it is too large to be exact: 7.0, 1e+05, 1.8e+19
FLOAT_AS_TEXT = r"^-?[0-9]+(\.0+|(\.[0-9]+)?[eE]\+[0-9]+)$"
INEXACT = "whole numbers that a float holds exactly: save ids as strings"
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
    read as the strings that they are. Raises `InputError` for ids that are empty, for those of another type, and for
    floats, also as texts, that are fractions or too large to be exact (:data:`INEXACT_FROM`).
    """
    ids = plain_values(ids)
    kind = ids.type
    if pa.types.is_floating(kind):
        ids = _whole_floats(path, ids, row)
    elif pa.types.is_decimal(kind):
        ids = _whole_decimals(path, ids, row)
    elif not (pa.types.is_integer(kind) or is_text(kind) or pa.types.is_null(kind)):
        raise InputError(f"{path}: ids are {kind}; expected strings or whole numbers")
    try:
        strings = pc.cast(ids, pa.large_string())
    except pa.ArrowInvalid:
        raise InputError(f"{path}: ids are bytes that are no text in UTF-8; save them as strings") from None
    if is_text(kind):
        _refuse_inexact_texts(path, strings, row)
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


def is_text(kind: pa.DataType) -> bool:
    """Return whether values of a type are strings, or bytes that may be strings."""
    tests = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_fixed_size_binary,
    )
    return any(test(kind) for test in tests)


def _whole_floats(path: str | Path, floats: pa.Array, row: int) -> pa.Array:
    """Floats that are whole as int64; NaN becomes null. Raises `InputError` for the first that is not exact."""
    limit = float(INEXACT_FROM[floats.type.bit_width])
    numbers = pc.cast(floats, pa.float64())
    numbers = pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    is_wrong = pc.or_(pc.not_equal(pc.floor(numbers), numbers), pc.greater_equal(pc.abs(numbers), limit))
    _refuse_first(path, is_wrong, floats, row)
    return pc.cast(numbers, pa.int64())


def _whole_decimals(path: str | Path, decimals: pa.Array, row: int) -> pa.Array:
    """Decimals that are whole as integers or strings. Raises `InputError` for the first that is not."""
    whole = pc.floor(decimals)
    _refuse_first(path, pc.not_equal(whole, decimals), decimals, row)
    # of any size, which no integer has; those of a negative scale have an exponent as texts
    return pa.array([None if value is None else f"{value:f}" for value in whole.to_pylist()], pa.large_string())


def _refuse_inexact_texts(path: str | Path, texts: pa.Array, row: int) -> None:
    """Raise `InputError` for the first text that is a float too large to be exact."""
    is_float = pc.fill_null(pc.match_substring_regex(texts, FLOAT_AS_TEXT), False)
    if not pc.any(is_float).as_py():
        return
    numbers = pc.cast(pc.if_else(is_float, texts, pa.scalar(None, texts.type)), pa.float64())
    _refuse_first(path, pc.greater_equal(pc.abs(numbers), float(INEXACT_FROM[64])), texts, row)


def _refuse_first(path: str | Path, is_wrong: pa.Array, ids: pa.Array, row: int) -> None:
    """Raise `InputError` for the first id that is wrong; `row` is the row of the first id of all."""
    is_wrong = pc.fill_null(is_wrong, False)
    if pc.any(is_wrong).as_py():
        at = pc.index(is_wrong, True).as_py()
        raise InputError(
            f"{path}: the id in row {row + at} is {ids[at].as_py()!r}, a {ids.type}; expected strings or {INEXACT}"
        )
