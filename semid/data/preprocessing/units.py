"""Units of timestamps: how they become milliseconds, and whether the declared one can be right."""

import logging

from semid.data.connection import Database
from semid.data.formats import RawFile
from semid.errors import InputError

logger = logging.getLogger(__name__)

YEAR_1990_MS, YEAR_2100_MS = 631_152_000_000, 4_102_444_800_000
MS_A_UNIT = {"seconds": 1e3, "milliseconds": 1.0, "microseconds": 1e-3, "nanoseconds": 1e-6}
# What ends a time of day that is not UTC.
OFFSET = r":[0-9.]+ *[+-][0-9]{2}(:?[0-9]{2})?$"


def milliseconds(text: str, unit: str | None) -> str:
    """Return SQL for the milliseconds (BIGINT) that `text` says in this unit; positions stay as they are."""
    if unit == "iso":
        with_offset = f"epoch_ms(TRY_CAST({text} AS TIMESTAMPTZ))"
        return f"CASE WHEN regexp_matches({text}, '{OFFSET}') THEN {with_offset} ELSE {_date(text)} END"
    if unit == "seconds":
        return f"TRY_CAST(round(TRY_CAST({text} AS DOUBLE) * 1000) AS BIGINT)"
    return f"TRY_CAST({text} AS BIGINT)"


def _date(text: str) -> str:
    """Return SQL for the milliseconds of a date, or of a date and a time of day, that has no offset to UTC."""
    return f"epoch_ms(TRY_CAST({text} AS TIMESTAMP))"


def advice_on_unit(database: Database, file: RawFile, unit: str | None) -> str:
    """Return an example of the timestamps that are wrong in this unit and what to do, as the end of a sentence."""
    if file.milliseconds("timestamp"):
        return ""
    timestamps = f"SELECT {file.scalar('timestamp')} AS text FROM ({file.query()})"
    examples = database.rows(
        f"SELECT text, {_date('text')} IS NOT NULL AS is_date, TRY_CAST(text AS DOUBLE) IS NOT NULL AS is_number "
        f"FROM ({timestamps}) WHERE text IS NOT NULL AND {milliseconds('text', unit)} IS NULL LIMIT 1"
    )
    if not examples:
        return ""
    example = examples[0]
    advice = ""
    if example.is_date and unit != "iso":
        advice = ", which is a date: dates as text need timestamp_unit: iso"
    elif example.is_number and unit == "iso":
        advice = ", which is a number: name its unit under timestamp_unit, such as seconds or milliseconds"
    return f"; such as {example.text!r}{advice}"


def set_order(database: Database, unit: str | None) -> None:
    """Replace timestamps that only order rows by whole numbers: those of `row`, and positions that are fractions.

    Of the positions of a file, all become their ranks from 0 if any is a fraction.
    """
    if unit == "row":
        query = "SELECT * REPLACE (rowid AS timestamp) FROM raw_interactions"
    elif unit == "position":
        query = "SELECT * EXCLUDE (position) FROM raw_interactions"
        if database.count("raw_interactions WHERE position <> timestamp"):
            ranks = (
                "SELECT position, row_number() OVER (ORDER BY position) - 1 AS rank "
                "FROM (SELECT DISTINCT position FROM raw_interactions WHERE position IS NOT NULL)"
            )
            query = (
                "SELECT r.* EXCLUDE (position) REPLACE (p.rank AS timestamp) FROM raw_interactions r "
                f"LEFT JOIN ({ranks}) p ON p.position = r.position ORDER BY r.rowid"
            )
            logger.info("positions are fractions: their ranks take their place")
    else:
        return
    database.execute(f"CREATE TABLE in_order AS {query}")
    database.execute("DROP TABLE raw_interactions")
    database.execute("ALTER TABLE in_order RENAME TO raw_interactions")


def check_timestamp_unit(database: Database, unit: str | None, names: str) -> None:
    """Raise InputError when the median of raw_interactions, of files of these names, is not between 1990 and 2100."""
    if unit not in MS_A_UNIT:
        return
    median = database.row(
        "SELECT approx_quantile(timestamp, 0.5) AS time FROM raw_interactions WHERE dropped IS NULL"
    ).time
    if YEAR_1990_MS <= median < YEAR_2100_MS:
        return
    raw = median / MS_A_UNIT[str(unit)]
    alike = [name for name, factor in MS_A_UNIT.items() if YEAR_1990_MS <= raw * factor < YEAR_2100_MS]
    advice = alike[0] if alike else "no time since 1970; if the file gives an order alone, its unit is `position`"
    raise InputError(
        f"{names}: timestamp_unit is {unit}, but then the median timestamp, {raw:.0f}, would not lie between 1990 "
        f"and 2100; it looks like {advice}"
    )
