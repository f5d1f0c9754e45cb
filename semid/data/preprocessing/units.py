"""Units of timestamps: how they become milliseconds, and whether the declared one can be right."""

from semid.data.connection import Database
from semid.data.sources.source import Source
from semid.errors import InputError

YEAR_1990_MS, YEAR_2100_MS = 631_152_000_000, 4_102_444_800_000
MS_A_UNIT = {"seconds": 1e3, "milliseconds": 1.0, "microseconds": 1e-3, "nanoseconds": 1e-6}


def milliseconds(text: str, unit: str | None) -> str:
    """Return SQL for the milliseconds (BIGINT) that `text` says in this unit; positions stay as they are."""
    if unit == "seconds":
        return f"TRY_CAST(round(TRY_CAST({text} AS DOUBLE) * 1000) AS BIGINT)"
    return f"TRY_CAST({text} AS BIGINT)"


def check_timestamp_unit(database: Database, source: Source) -> None:
    """Raise InputError when the median of raw_interactions is not between 1990 and 2100."""
    unit = source.timestamp_unit
    if unit in (None, "position"):
        return
    median = database.row(
        "SELECT approx_quantile(timestamp, 0.5) AS time FROM raw_interactions WHERE dropped IS NULL"
    ).time
    if YEAR_1990_MS <= median < YEAR_2100_MS:
        return
    raw = median / MS_A_UNIT[unit]
    alike = [name for name, factor in MS_A_UNIT.items() if YEAR_1990_MS <= raw * factor < YEAR_2100_MS]
    advice = alike[0] if alike else "no time since 1970; if the file gives an order alone, its unit is `position`"
    names = ", ".join(str(file.path) for file in source.interaction_files)
    raise InputError(
        f"{names}: timestamp_unit is {unit}, but then the median timestamp, {raw:.0f}, would not lie between 1990 "
        f"and 2100; it looks like {advice}"
    )
