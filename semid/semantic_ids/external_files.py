"""Files of semantic IDs that were made elsewhere."""

import csv
import gzip
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from semid.errors import InputError
from semid.files import column_list, parse_json
from semid.ids import WHOLE_FLOAT, first_few, id_strings, is_text, plain_values, reading_table
from semid.semantic_ids.codes import level_columns

# The second name is that of OpenOneRec.
ID_COLUMNS = ("item_id", "pid")
# These are looked for where there is no c1; the first is for a flat codebook, the last is that of OpenOneRec.
CODE_COLUMNS = ("token", "code_str", "sid")
# Batches are large, because the ids of all items are hashed anew for every batch.
ROWS_AT_ONCE = 1 << 20
CSV_BLOCK = 1 << 26
# The groups are the letter of a level, and the code.
TOKEN = re.compile(r"<(\w+)_(\d{1,18})>")
# A text holds the codes of all levels as tokens, or as numbers such as 12-7-200, [12, 7, 200] or 12 7 200.
JOINED_TOKENS = r"(<\w+_\d{1,18}>\s*)+"
JOINED_NUMBERS = r"\s*\[?\s*\d{1,18}(\s*[-_,;| ]\s*\d{1,18})*\s*\]?\s*"
# Codes have at most 18 digits, which int64 holds.
LARGEST = 10**18
JSON_FORMS = 'a list <a_12>, <b_7>, …, a list of whole numbers, or a text such as "12-7-200"'
# A column whose name matches looks like codes: it is an error where it would not be read.
LIKE_CODES = re.compile(r"(c|code|codes|level|token|tokens|sid|semantic_?id|code_str)[ _-]?\d*", re.IGNORECASE)


class Batch(NamedTuple):
    """Consecutive rows of a file of codes: ids, large_string [m], and their codes, int64 [m, L]."""

    ids: pa.Array
    codes: np.ndarray


class CodeOfJson(NamedTuple):
    """The form in which a JSON file gives the codes of an item, in words, and the codes."""

    form: str
    codes: list[int]


class ItemNumbers(NamedTuple):
    """The numbers that a file uses for items, and the ids of these items; both large_string [n]."""

    numbers: pa.Array
    ids: pa.Array


def read_external_codes(path: str | Path, item2id_path: str | Path | None = None) -> Iterator[Batch]:
    """Yield ids and codes of a file, in its order.

    The file is Parquet or CSV with the column `item_id` (or OpenOneRec's `pid`) and `c1` … `cL`, `token`, `code_str`
    (`"12-7-200-3"`) or `sid` (a list), or the `index.json` of LC-Rec, LETTER and MiniOneRec,
    `{"0": ["<a_12>", "<b_7>"], …}`. CSV and JSON may be gzipped. Where the file numbers the items, `item2id_path` names
    the file that says which item has which number, in lines `id<tab>number`.

    Raises `InputError` for other files, and for codes that are missing or negative.
    """
    path = Path(path)
    kind = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if kind not in _READERS:
        raise InputError(f"{path}: cannot read codes from this kind of file; expected {', '.join(_READERS)}")
    item_numbers = read_item2id(item2id_path) if item2id_path else None
    with reading_table(path, "codes"):
        for ids, codes in _READERS[kind](path):
            if len(ids):
                yield Batch(_named(ids, item_numbers, str(item2id_path)) if item_numbers else ids, codes)


def read_item2id(path: str | Path) -> ItemNumbers:
    """Read a file with a line `id<tab>number` for every item."""
    ids: dict[str, str] = {}
    with reading_table(path, "item numbers"), _open_text(Path(path)) as file:
        for row, line in enumerate(file, start=1):
            name, _, number = line.rstrip("\n").rpartition("\t")
            if not name or not number.isdecimal():
                raise InputError(f"{path}: line {row} is {line.rstrip()!r}; expected an id, a tab and a number")
            if number in ids:
                raise InputError(f"{path}: line {row} gives the number {number} to {name!r}, as to {ids[number]!r}")
            ids[number] = name
    return ItemNumbers(pa.array(ids.keys(), pa.large_string()), pa.array(ids.values(), pa.large_string()))


def _named(numbers: pa.Array, item_numbers: ItemNumbers, source: str) -> pa.Array:
    """Return the ids of numbers; `source` is the file that the numbers of items were read from."""
    places = pc.index_in(numbers, value_set=item_numbers.numbers)
    if places.null_count:
        raise InputError(
            f"{source}: no line for the numbers {first_few(numbers.filter(places.is_null()))} of the codes"
        )
    return item_numbers.ids.take(places)


def _open_text(path: Path) -> TextIO:
    encoding = "utf-8-sig"
    return gzip.open(path, "rt", encoding=encoding) if path.suffix == ".gz" else path.open(encoding=encoding)


def _index_batches(path: Path) -> Iterator[Batch]:
    with _open_text(path) as file:
        # Items are read as pairs, because a dict would take the last of two codes of one item.
        pairs = parse_json(file.read(), object_pairs_hook=list)
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        raise InputError(f'{path}: expected {{"0": ["<a_12>", "<b_7>", …], …}}, an item a key')
    if not pairs:
        return
    ids = id_strings(path, pa.array([item for item, _ in pairs], pa.large_string()), 0)
    forms = [_code_of_json(value) for _, value in pairs]
    expected = forms[0].form if forms[0] else JSON_FORMS
    for (item, value), form in zip(pairs, forms, strict=True):
        if form is None or form.form != expected:
            raise InputError(f"{path}: item {item!r} has {value!r}; expected {expected}, as for every item")
    yield Batch(ids, np.array([form.codes for form in forms if form], np.int64))


def _code_of_json(value: Any) -> CodeOfJson | None:
    """Return the codes of a value, and the form in which it gives them; None for a value that gives none."""
    if isinstance(value, list) and value:
        if all(isinstance(code, int) and not isinstance(code, bool) and 0 <= code < LARGEST for code in value):
            return CodeOfJson(f"a list of {len(value)} numbers of 0 or more", value)
        tokens = [TOKEN.fullmatch(str(token)) for token in value]
        if all(tokens):
            letters = ", ".join(f"<{token[1]}_…>" for token in tokens if token)
            return CodeOfJson(f"a list {letters}", [int(token[2]) for token in tokens if token])
    if isinstance(value, str) and re.fullmatch(JOINED_TOKENS, value):
        joined = TOKEN.findall(value)
        return CodeOfJson(
            "a text " + "".join(f"<{letter}_…>" for letter, _ in joined), [int(code) for _, code in joined]
        )
    if isinstance(value, str) and re.fullmatch(JOINED_NUMBERS, value):
        numbers = [int(code) for code in re.findall(r"[0-9]+", value)]
        return CodeOfJson(f"a text of {len(numbers)} numbers", numbers)
    return None


def _parquet_batches(path: Path) -> Iterator[Batch]:
    with pq.ParquetFile(path) as file:
        item, columns = _columns(path, file.schema_arrow.names)
        yield from _read_batches(path, file.iter_batches(ROWS_AT_ONCE, columns=[item, *columns]), item, columns)


def _csv_batches(path: Path) -> Iterator[Batch]:
    with _open_text(path) as file:
        names = next(csv.reader(file), [])
    item, columns = _columns(path, names)
    # Values are read as text, so that 007 and 7 remain two items.
    types = dict.fromkeys(columns, pa.string()) | {item: pa.large_string()}
    convert = pa.csv.ConvertOptions(column_types=types, include_columns=[item, *columns], strings_can_be_null=False)
    # Columns that are not read may hold titles with line ends.
    parse = pa.csv.ParseOptions(newlines_in_values=True)
    read = pa.csv.ReadOptions(block_size=CSV_BLOCK)
    with pa.csv.open_csv(path, read_options=read, parse_options=parse, convert_options=convert) as batches:
        yield from _read_batches(path, batches, item, columns)


def _columns(path: Path, names: list[str]) -> tuple[str, list[str]]:
    """Return the column of ids and the columns of codes."""
    item = next((name for name in ID_COLUMNS if name in names), None)
    levels = level_columns(path, names)
    columns = levels or [name for name in CODE_COLUMNS if name in names][:1]
    if item is None or not columns:
        alike = [name for name in names if name.lower() in {*ID_COLUMNS, *CODE_COLUMNS} and name != name.lower()]
        advice = f"; write {alike[0]!r} in lower case" if alike else ""
        raise InputError(
            f"{path}: its columns are {column_list(names)}; expected {' or '.join(ID_COLUMNS)}, and c1, c2, … or "
            f"{' or '.join(CODE_COLUMNS)}{advice}"
        )
    # The table that semid exports holds the codes twice: by level, and as the text code_str.
    read = {*columns, item} | ({"code_str"} if levels else set())
    unread = [name for name in names if name not in read and LIKE_CODES.fullmatch(name)]
    if unread:
        raise InputError(
            f"{path}: {', '.join(unread)} would be left out, though it looks like codes: codes are read from "
            f"{', '.join(columns)}; rename the levels to c1, c2, …, or drop the columns that are none"
        )
    return item, columns


def _read_batches(path: Path, batches: Iterable[pa.RecordBatch], item: str, columns: list[str]) -> Iterator[Batch]:
    """Yield ids and codes of consecutive batches, which begin with the first row of the file."""
    row = 0
    first_texts: dict[str, pa.Scalar] = {}
    for batch in batches:
        if len(batch):
            ids = id_strings(path, batch.column(item), row)
            levels = [_levels(path, batch.column(name), name, row, first_texts) for name in columns]
            yield Batch(ids, np.concatenate(levels, axis=1))
            row += len(batch)


def _levels(path: Path, column: pa.Array, name: str, row: int, first_texts: dict[str, pa.Scalar]) -> np.ndarray:
    """Return codes int64 [m, L] of one column of numbers, of texts such as `"12-7"`, or of lists of numbers or texts.

    The column begins at `row` of the file; `first_texts` as in :func:`_split_texts`.
    """
    column = _texts_or_numbers(path, column, name)
    if pa.types.is_large_string(column.type):
        column = _split_texts(path, column, name, row, first_texts.setdefault(name, column[0]))
    elif pa.types.is_floating(column.type):
        # Whole numbers with gaps become floats in pandas; a fraction stays in the text and is refused below.
        column = pc.replace_substring_regex(pc.cast(column, pa.string()), WHOLE_FLOAT, r"\1")
    is_list = pa.types.is_nested(column.type)
    lengths = pc.list_value_length(column).fill_null(0).to_numpy() if is_list else np.ones(len(column), np.int64)
    ragged = np.flatnonzero((lengths != lengths[:1]) | (lengths == 0))
    if len(ragged):
        at = int(ragged[0])
        raise InputError(
            f"{path}: row {row + at} has {lengths[at]} codes in {name!r}, row {row} has {lengths[0]}; "
            "expected as many in every row"
        )
    width = int(lengths[0]) if len(lengths) else 1
    texts = pc.cast(column.flatten() if is_list else column, pa.string())
    wrong = pc.invert(pc.fill_null(pc.match_substring_regex(texts, r"^\d{1,18}$"), False))
    if pc.any(wrong).as_py():
        at = pc.index(wrong, True).as_py()
        raise InputError(
            f"{path}: row {row + at // width} holds {texts[at].as_py()!r} in {name!r}; expected codes of 0 or more"
        )
    return pc.cast(texts, pa.int64()).to_numpy().reshape(-1, width)


def _texts_or_numbers(path: Path, column: pa.Array, name: str) -> pa.Array:
    """Return a column as large_string, as numbers or as lists of numbers; texts in a list become one text.

    Raises `InputError`, which names the type, for columns of another kind.
    """
    column = plain_values(column)
    kind = column.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    value_kind = kind.value_type if is_list else kind
    if pa.types.is_dictionary(value_kind):
        value_kind = value_kind.value_type
    if is_text(value_kind):
        if is_list:
            column = pc.binary_join(pc.cast(column, pa.list_(pa.string())), " ")
        return pc.cast(column, pa.large_string())
    is_number = pa.types.is_integer(value_kind) or pa.types.is_floating(value_kind) or pa.types.is_decimal(value_kind)
    if not is_number and not pa.types.is_null(value_kind):
        raise InputError(
            f"{path}: {name!r} holds values of the type {column.type}; expected whole numbers, lists of whole numbers, "
            'or texts such as "12-7-200"'
        )
    return column


def _split_texts(path: Path, texts: pa.Array, name: str, row: int, first_text: pa.Scalar) -> pa.Array:
    """Return lists of the numbers in texts: `"12-7"`, or `"<a_12><b_7>"` with the letters of the first row.

    `row` is the place of the texts in the file, and `first_text` the text in the first row of the file. Raises
    `InputError` where the file has tokens and a text is not of its form.
    """
    if not first_text.is_valid:
        raise InputError(f"{path}: row 0 holds no code in {name!r}: every row needs one")
    is_tokens = pc.match_substring_regex(texts, f"^{JOINED_TOKENS}$")
    begins_with_tokens = pc.match_substring_regex(first_text, f"^{JOINED_TOKENS}$")
    if begins_with_tokens.as_py() or pc.any(is_tokens).as_py():
        forms = pc.replace_substring_regex(texts, r"\d+", "0")
        first_form = pc.replace_substring_regex(first_text, r"\d+", "0")
        other = pc.fill_null(pc.not_equal(forms, first_form), True)
        if pc.any(other).as_py():
            at = pc.index(other, True).as_py()
            raise InputError(
                f"{path}: row {row + at} holds {texts[at].as_py()!r} in {name!r}, row 0 {first_text.as_py()!r}; "
                "expected tokens of the same levels in every row"
            )
        texts = pc.replace_substring_regex(texts, r"<\w+_(\d+)>\s*", r"\1-")
        texts = pc.utf8_rtrim(texts, "-")
    is_numbers = pc.fill_null(pc.match_substring_regex(texts, f"^{JOINED_NUMBERS}$"), False)
    # A text that is no list of numbers stays as it is; _levels refuses it and shows it.
    trimmed = pc.utf8_trim(texts, "[] \t")
    numbers = pc.replace_substring_regex(trimmed, r"\s*[-_,;| ]\s*", "-")
    return pc.split_pattern(pc.if_else(is_numbers, numbers, texts), "-")


_READERS = {".parquet": _parquet_batches, ".csv": _csv_batches, ".json": _index_batches}
