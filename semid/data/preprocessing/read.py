"""Step 1: raw files become tables; what cannot be used is marked with its reason, and counted.

Makes raw_items(item_id, title, description, categories, store) and raw_interactions(user_id, item_id, timestamp,
rating, split), whose `rowid` is the source order. Both have `dropped`, the reason why a row cannot be used (NULL where
it can), and `wrong_<field>` for each field, whether its value has a wrong type. raw_items has text_0, text_1, … too, as
JSON, for the columns that only the template of an item's text names.
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from semid.data.connection import Database, literal
from semid.data.formats import RawFile, open_raw_file, reading
from semid.data.preprocessing.columns import columns_of_fields, refuse_unseen, with_texts
from semid.data.preprocessing.counts import Step, described, without_zeros
from semid.data.preprocessing.insert import FileCounts, insert
from semid.data.preprocessing.lists_as_text import with_lists_as_text
from semid.data.preprocessing.settings import text_fields
from semid.data.preprocessing.units import advice_on_unit, check_timestamp_unit, milliseconds, set_order
from semid.data.sources.source import INTERACTION_FIELDS, ITEM_FIELDS, Source
from semid.errors import InputError

logger = logging.getLogger(__name__)

TYPES = {
    "user_id": "VARCHAR",
    "item_id": "VARCHAR",
    "timestamp": "BIGINT",
    "rating": "FLOAT",
    "title": "VARCHAR",
    "description": "VARCHAR",
    "categories": "VARCHAR[]",
    "store": "VARCHAR",
    "split": "VARCHAR",
    "position": "DOUBLE",
}
IDS = ("user_id", "item_id")
REQUIRED_OF_INTERACTIONS = ("user_id", "item_id", "timestamp")
REQUIRED_OF_ITEMS = ("item_id",)


@dataclass(frozen=True)
class Reading:
    """What reading the files of items, or those of interactions, has counted.

    lines, malformed_lines: by the path of each file. wrong_types: values of a wrong type by field, without zeros.
    dropped: rows by the reason for which they are dropped. steps: the step `read`, where there are interactions.
    """

    lines: Mapping[str, int]
    malformed_lines: Mapping[str, int]
    wrong_types: Mapping[str, int]
    dropped: Mapping[str, int]
    steps: tuple[Step, ...] = ()


def read_items(
    database: Database,
    source: Source,
    max_malformed: float,
    item_ids: Sequence[str] | None,
    text_columns: Sequence[str] = (),
) -> Reading:
    """Make raw_items of the item files or of `item_ids`.

    Raises InputError when no row has an item id, and for one of `text_columns` that no file has.
    """
    texts = text_fields(text_columns)
    _create(database, "raw_items", ITEM_FIELDS, *texts)
    unseen = {*text_columns}
    refuse_unseen(unseen if not source.item_files else (), None)
    if item_ids is not None:
        database.add_table("given_ids", "item_id", pa.string(), item_ids)
        database.execute(
            "INSERT INTO raw_items BY NAME SELECT item_id, "
            "CASE WHEN coalesce(trim(item_id), '') = '' THEN 'null_item_id' END AS dropped FROM given_ids"
        )
    files = []
    for number, path in enumerate(source.item_files, start=1):
        file = open_raw_file(database, path, source.text_layout)
        fields = columns_of_fields(file, source, ITEM_FIELDS, REQUIRED_OF_ITEMS)
        file = file.with_fields(with_texts(file, fields, texts))
        unseen -= {*file.fields.values()}
        refuse_unseen(unseen if number == len(source.item_files) else (), file)
        with reading(path):
            file = with_lists_as_text(database, file, ("categories", "description", "title", "store"))
        files.append(insert(database, "raw_items", file, _items_query(file, source, texts), max_malformed))
        file.close()
    _refuse_no_rows(files)
    wrong_types = _wrong_types(database, "raw_items", ITEM_FIELDS)
    lines = {file.path: file.lines for file in files}
    malformed_lines = {file.path: file.malformed for file in files}
    if source.items_from_splits:
        # the same lines are counted as interactions
        return Reading(lines, malformed_lines, wrong_types, dropped={})
    dropped = _dropped(database, "items", source, files)
    if (item_ids is not None or files) and not database.count("raw_items WHERE dropped IS NULL"):
        names = ", ".join(file.path for file in files) or "item_ids"
        raise InputError(f"{names}: no row has an item id ({described(dropped)})")
    return Reading(lines, malformed_lines, wrong_types, dropped)


def read_interactions(database: Database, source: Source, max_malformed: float) -> Reading:
    """Make raw_interactions; timestamps become milliseconds (or stay positions).

    Raises InputError when no row can be used, and for timestamps that cannot be in the unit of the source.
    """
    unit = source.timestamp_unit
    required = IDS if unit == "row" else REQUIRED_OF_INTERACTIONS
    _create(database, "raw_interactions", INTERACTION_FIELDS, "split", *(("position",) if unit == "position" else ()))
    files = []
    advice = ""
    for path, split in source.interaction_files:
        file = open_raw_file(database, path, source.text_layout)
        file = file.with_fields(columns_of_fields(file, source, INTERACTION_FIELDS, required))
        query = _interactions_query(file, source, split, required)
        rows_of_file = f"raw_interactions WHERE rowid >= {database.count('raw_interactions')}"
        files.append(insert(database, "raw_interactions", file, query, max_malformed))
        if not advice and database.count(f"{rows_of_file} AND dropped = 'wrong_type_timestamp'"):
            advice = advice_on_unit(database, file, unit)
        if database.count(f"{rows_of_file} AND wrong_rating"):
            _warn_of_ratings(database, file)
        file.close()
    if not files:
        return Reading({}, {}, {}, {})
    _refuse_no_rows(files)
    wrong_types = _wrong_types(database, "raw_interactions", INTERACTION_FIELDS)
    counts = database.row(
        "SELECT count(*) AS rows, count(DISTINCT user_id) AS users, count(DISTINCT item_id) AS items, "
        "count(*) FILTER (dropped IS NULL) AS usable FROM raw_interactions"
    )
    rows = counts.rows + sum(file.without_row for file in files)
    dropped = _dropped(database, "interactions", source, files, advice)
    if not counts.usable:
        names = ", ".join(file.path for file in files)
        raise InputError(
            f"{names}: none of {rows:,} rows has a user, an item and a timestamp ({described(dropped)}){advice}"
        )
    check_timestamp_unit(database, source)
    set_order(database, unit)
    step = Step("read", "raw_interactions", rows, counts.users, counts.items)
    lines = {file.path: file.lines for file in files}
    return Reading(lines, {file.path: file.malformed for file in files}, wrong_types, dropped, (step,))


def _create(database: Database, table: str, fields: Sequence[str], *others: str) -> None:
    columns = [f"{name} {TYPES.get(name, 'VARCHAR')}" for name in (*fields, *others)]
    marks = [f"wrong_{name} BOOLEAN" for name in fields]
    database.execute(f"CREATE TABLE {table} ({', '.join([*columns, *marks])}, dropped VARCHAR)")


def _refuse_no_rows(files: Sequence[FileCounts]) -> None:
    """Raise InputError where no file has a row; one of several parts may be without."""
    if files and not any(file.lines for file in files):
        raise InputError(f"{', '.join(file.path for file in files)} has no rows")


def _items_query(file: RawFile, source: Source, texts: Iterable[str]) -> str:
    """Return a query for the rows of raw_items that the file gives; `texts` are fields of any type, read as JSON."""
    wrong = {name: f"NOT {file.is_scalar(name) if name == 'item_id' else file.is_prose(name)}" for name in ITEM_FIELDS}
    values = ", ".join(
        [f"{file.prose(name)} AS {name}" for name in ("title", "description", "store")]
        + [f"{file.as_json(name)} AS {name}" for name in texts]
    )
    return (
        f"SELECT * EXCLUDE (malformed, inexact_item_id), {_reason(REQUIRED_OF_ITEMS)} AS dropped "
        f"FROM (SELECT malformed, {file.identifier('item_id')} AS item_id, {file.is_inexact('item_id')} AS "
        f"inexact_item_id, {values}, "
        f"{_categories(file, source)} AS categories, {_marks(wrong)} "
        f"FROM (SELECT *, {file.scalar('item_id')} AS item_id_scalar FROM ({file.query()})))"
    )


def _categories(file: RawFile, source: Source) -> str:
    """Return SQL for an item's categories, without those that say that it has none."""
    categories = file.strings("categories", source.categories_separator)
    ignored = ", ".join(map(literal, source.ignored_categories))
    return f"list_filter({categories}, lambda category: category NOT IN ({ignored}))" if ignored else categories


def _interactions_query(file: RawFile, source: Source, split: str | None, required: Sequence[str]) -> str:
    """Return a query for the rows of raw_interactions that the file gives.

    Each layer is a query of the one before, so that DuckDB computes each value once.
    """
    scalars = ", ".join(f"{file.scalar(name)} AS {name}_scalar" for name in INTERACTION_FIELDS)
    ids = ", ".join(f"{file.identifier(name)} AS {name}, {file.is_inexact(name)} AS inexact_{name}" for name in IDS)
    marks = _marks({name: f"NOT {file.is_scalar(name)}" for name in INTERACTION_FIELDS})
    with_scalars = f"SELECT *, {scalars}, {marks} FROM ({file.query()})"
    timestamp = file.milliseconds("timestamp") or milliseconds("timestamp_scalar", source.timestamp_unit)
    with_values = (
        f"SELECT *, {ids}, {timestamp} AS timestamp, "
        "TRY_CAST(rating_scalar AS FLOAT) AS rating, TRY_CAST(timestamp_scalar AS DOUBLE) AS position "
        f"FROM ({with_scalars})"
    )
    # A text that is no number has a wrong type too.
    with_all_marks = (
        "SELECT * REPLACE ("
        "wrong_timestamp OR (timestamp_scalar IS NOT NULL AND timestamp IS NULL) AS wrong_timestamp, "
        f"wrong_rating OR (rating_scalar IS NOT NULL AND rating IS NULL) AS wrong_rating) FROM ({with_values})"
    )
    return (
        "SELECT user_id, item_id, timestamp, CASE WHEN isfinite(rating) THEN rating END AS rating, "
        f"{'position, ' if source.timestamp_unit == 'position' else ''}"
        f"{'NULL' if split is None else literal(split)} AS split, {_reason(required)} AS dropped, "
        f"{', '.join(f'wrong_{name}' for name in INTERACTION_FIELDS)} FROM ({with_all_marks})"
    )


def _marks(conditions: Mapping[str, str]) -> str:
    """Return SQL for `wrong_<field>`, whether the field's condition holds."""
    return ", ".join(f"({condition}) AS wrong_{name}" for name, condition in conditions.items())


def _reason(required: Sequence[str]) -> str:
    """Return SQL for why a row is dropped, NULL where it stays."""
    cases = "".join(f"WHEN inexact_{name} THEN 'inexact_{name}' " for name in required if name in IDS)
    cases += "".join(
        f"WHEN wrong_{name} THEN 'wrong_type_{name}' WHEN {name} IS NULL THEN 'null_{name}' " for name in required
    )
    return f"CASE WHEN malformed THEN 'malformed' {cases}END"


def _wrong_types(database: Database, table: str, fields: Sequence[str]) -> dict[str, int]:
    """Count the values of a wrong type by field, without zeros."""
    sums = ", ".join(f"count(*) FILTER (wrong_{name}) AS {name}" for name in fields)
    counts = without_zeros(database.row(f"SELECT {sums} FROM {table}")._asdict())
    for name, n in counts.items():
        # Rows without a needed value are dropped, and ratings have a warning of their own.
        if name not in (*REQUIRED_OF_INTERACTIONS, "rating"):
            logger.warning("%s values of %s are records or of another wrong type, and are left out", f"{n:,}", name)
    return counts


def _warn_of_ratings(database: Database, file: RawFile) -> None:
    """Log how many ratings of a file are no numbers, with an example and what to do."""
    ratings = f"SELECT {file.scalar('rating')} AS text FROM ({file.query()})"
    wrong = database.row(
        f"SELECT count(*) AS n, any_value(text) AS example FROM ({ratings}) "
        "WHERE text IS NOT NULL AND TRY_CAST(text AS FLOAT) IS NULL"
    )
    if not wrong.n:
        return
    advice = ""
    if re.fullmatch(r"-?[0-9]*,[0-9]+", wrong.example):
        advice = '; the decimal sign seems to be a comma: set decimal: ","'
    logger.warning(
        "%s: %s values of rating are no numbers and are left out, such as %r%s",
        file.path,
        f"{wrong.n:,}",
        wrong.example,
        advice,
    )


def _dropped(
    database: Database, of: str, source: Source, files: Sequence[FileCounts], advice: str = ""
) -> dict[str, int]:
    """Count the dropped rows of `items` or `interactions` by reason, lines that left no row among them."""
    dropped = {"malformed": sum(file.without_row for file in files)}
    for row in database.rows(
        f"SELECT dropped AS reason, count(*) AS n FROM raw_{of} WHERE dropped IS NOT NULL GROUP BY reason "
        "ORDER BY reason"
    ):
        dropped[row.reason] = dropped.get(row.reason, 0) + row.n
        logger.warning("%s rows of %s are dropped: %s", f"{row.n:,}", of, _explained(row.reason, source, advice))
    return dropped


def _explained(reason: str, source: Source, advice: str) -> str:
    """Return a reason for dropping rows with what was expected."""
    if reason == "wrong_type_timestamp":
        expected = "a date: iso" if source.timestamp_unit == "iso" else f"a number: {source.timestamp_unit}"
        return f"{reason} (expected {expected}){advice}"
    return f"{reason} (expected a text or a number)" if reason.startswith("wrong_type_") else reason
