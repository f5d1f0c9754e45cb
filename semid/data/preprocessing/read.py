"""Step 1, all raw files: the rows of :mod:`part` become tables; what cannot be used is marked, and counted.

Makes raw_items(item_id, title, description, categories, store) and raw_interactions(user_id, item_id, timestamp,
rating, split), whose `rowid` is the source order. Both have `dropped`, the reason why a row cannot be used (NULL where
it can), and `wrong_<field>` for each field, whether its value has a wrong type. raw_items has text_0, text_1, … too, as
JSON, for the columns that only the template of an item's text names.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from semid.data.connection import Database
from semid.data.preprocessing.columns import refuse_unseen
from semid.data.preprocessing.counts import Step, described, without_zeros
from semid.data.preprocessing.part import (
    REQUIRED_OF_INTERACTIONS,
    Part,
    create_interactions,
    create_items,
    insert_parts,
)
from semid.data.preprocessing.units import check_timestamp_unit, set_order
from semid.data.sources.source import INTERACTION_FIELDS, ITEM_FIELDS, InteractionFile, Source
from semid.errors import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reading:
    """What reading the files of items, or those of interactions, has counted.

    files: the path of each file. lines, malformed_lines: by these paths. wrong_types: values of a wrong type by field,
    without zeros. dropped: rows by the reason for which they are dropped. steps: the step `read`, where there are
    interactions.
    """

    files: Sequence[str]
    lines: Mapping[str, int]
    malformed_lines: Mapping[str, int]
    wrong_types: Mapping[str, int]
    dropped: Mapping[str, int]
    steps: tuple[Step, ...] = ()


def read_items(
    database: Database,
    source: Source,
    parts: Sequence[Path],
    item_ids: Sequence[str] | None,
    text_columns: Sequence[str] = (),
) -> Reading:
    """Make raw_items of the rows of the item files, `parts` in their order, or of `item_ids`.

    Raises InputError when no row has an item id, and for one of `text_columns` that no file has.
    """
    create_items(database, text_columns)
    files = _parts_of(parts, [InteractionFile(path, None) for path in source.item_files], text_columns)
    unseen = {*text_columns}.difference(*(file.texts for file in files))
    if files:
        refuse_unseen(unseen, files[-1].path, files[-1].columns)
    if item_ids is not None:
        database.add_table("given_ids", "item_id", pa.string(), item_ids)
        database.execute(
            "INSERT INTO raw_items BY NAME SELECT item_id, "
            "CASE WHEN coalesce(trim(item_id), '') = '' THEN 'null_item_id' END AS dropped FROM given_ids"
        )
    insert_parts(database, "raw_items", parts)
    _refuse_no_rows(files)
    wrong_types = _wrong_types(database, "raw_items", ITEM_FIELDS)
    paths = [file.path for file in files]
    lines = {file.path: file.lines for file in files}
    malformed_lines = {file.path: file.malformed for file in files}
    if source.items_from_splits:
        # the same lines are counted as interactions
        return Reading(paths, lines, malformed_lines, wrong_types, dropped={})
    dropped = _dropped(database, "items", source, files)
    if (item_ids is not None or files) and not database.count("raw_items WHERE dropped IS NULL"):
        names = ", ".join(paths) or "item_ids"
        raise InputError(f"{names}: no row has an item id ({described(dropped)})")
    return Reading(paths, lines, malformed_lines, wrong_types, dropped)


def read_interactions(database: Database, source: Source, parts: Sequence[Path]) -> Reading:
    """Make raw_interactions of the rows of the files of interactions, `parts` in their order.

    Raises InputError when no row can be used, and for timestamps that cannot be in the unit of the source.
    """
    create_interactions(database, source.timestamp_unit)
    files = _parts_of(parts, source.interaction_files)
    if not files:
        return Reading([], {}, {}, {}, {})
    insert_parts(database, "raw_interactions", parts)
    _refuse_no_rows(files)
    wrong_types = _wrong_types(database, "raw_interactions", INTERACTION_FIELDS)
    counts = database.row(
        "SELECT count(*) AS rows, count(DISTINCT user_id) AS users, count(DISTINCT item_id) AS items, "
        "count(*) FILTER (dropped IS NULL) AS usable FROM raw_interactions"
    )
    rows = counts.rows + sum(file.without_row for file in files)
    advice = next((file.advice for file in files if file.advice), "")
    dropped = _dropped(database, "interactions", source, files, advice)
    paths = [file.path for file in files]
    names = ", ".join(paths)
    if not counts.usable:
        raise InputError(
            f"{names}: none of {rows:,} rows has a user, an item and a timestamp ({described(dropped)}){advice}"
        )
    check_timestamp_unit(database, source.timestamp_unit, names)
    set_order(database, source.timestamp_unit)
    step = Step("read", "raw_interactions", rows, counts.users, counts.items)
    lines = {file.path: file.lines for file in files}
    return Reading(paths, lines, {file.path: file.malformed for file in files}, wrong_types, dropped, (step,))


def _parts_of(parts: Sequence[Path], files: Sequence[InteractionFile], text_columns: Sequence[str] = ()) -> list[Part]:
    """Return what the files of rows say; an InputError where they are not of these raw files, in this order."""
    found = [Part.of(rows) for rows in parts]
    expected = [[str(path), split] for path, split in files]
    if [part.named for part in found] != expected:
        raise InputError(
            f"the files of rows ({', '.join(map(str, parts)) or 'none'}) are not those of the raw files in their "
            f"order ({', '.join(str(path) for path, _ in files) or 'none'}): remove them, and run again"
        )
    for rows, part in zip(parts, found, strict=True):
        if [*part.text_columns] != [*text_columns]:
            raise InputError(
                f"{rows} was read for the texts of {', '.join(part.text_columns) or 'no column'} and not of "
                f"{', '.join(text_columns) or 'no column'}: remove it, and run again"
            )
    return found


def _refuse_no_rows(files: Sequence[Part]) -> None:
    """Raise InputError where no file has a row; one of several parts may be without."""
    if files and not any(file.lines for file in files):
        raise InputError(f"{', '.join(file.path for file in files)} has no rows")


def _wrong_types(database: Database, table: str, fields: Sequence[str]) -> dict[str, int]:
    """Count the values of a wrong type by field, without zeros."""
    sums = ", ".join(f"count(*) FILTER (wrong_{name}) AS {name}" for name in fields)
    counts = without_zeros(database.row(f"SELECT {sums} FROM {table}")._asdict())
    for name, n in counts.items():
        # Rows without a needed value are dropped, and ratings have a warning of their own.
        if name not in (*REQUIRED_OF_INTERACTIONS, "rating"):
            logger.warning("%s values of %s are records or of another wrong type, and are left out", f"{n:,}", name)
    return counts


def _dropped(database: Database, of: str, source: Source, files: Sequence[Part], advice: str = "") -> dict[str, int]:
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
