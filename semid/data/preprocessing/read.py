"""Raw files to tables of interactions and items; what cannot be used is counted by its reason."""

import logging
from collections.abc import Sequence

import pyarrow as pa

from semid.data.database import RawFile, literal
from semid.data.preprocessing.run import Run, described
from semid.data.sources.source import INTERACTION_FIELDS, ITEM_FIELDS, Source
from semid.errors import InputError

logger = logging.getLogger(__name__)

YEAR_1990_MS, YEAR_2100_MS = 631_152_000_000, 4_102_444_800_000
MS_A_UNIT = {"seconds": 1e3, "milliseconds": 1.0, "microseconds": 1e-3, "nanoseconds": 1e-6}


def read_items(run: Run, item_ids: Sequence[str] | None) -> None:
    """Fill raw_items from the item files or from `item_ids`."""
    if item_ids is not None:
        run.database.add_table("given_ids", "item_id", pa.string(), item_ids)
        run.database.execute(
            "INSERT INTO raw_items SELECT item_id, NULL, NULL, NULL, NULL, "
            "CASE WHEN coalesce(trim(item_id), '') = '' THEN 'null_item_id' END, 0 FROM given_ids"
        )
    for path in run.source.item_files:
        file = run.database.open(path)
        _choose(run, file, ITEM_FIELDS, ("item_id",))
        wrong = _bits([f"NOT {file.is_scalar(0)}", *(f"NOT {file.is_prose(i)}" for i in range(1, 5))])
        _insert(
            run,
            "raw_items",
            file,
            f"SELECT item_id, title, description, categories, store, {_reason(ITEM_FIELDS[:1])} AS dropped, wrong "
            f"FROM (SELECT malformed, {file.scalar(0)} AS item_id, {file.prose(1)} AS title, "
            f"{file.prose(2)} AS description, {_categories(run, file)} AS categories, "
            f"{file.prose(4)} AS store, {wrong} AS wrong FROM ({file.query()}))",
        )
    _count_wrong_types(run, "items", ITEM_FIELDS)
    if run.source.items_from_splits:
        run.dropped["items"] = {}  # the same lines are counted as interactions
        return
    _count_dropped(run, "items")
    if (item_ids is not None or run.source.item_files) and not run.database.count(
        "SELECT count(*) FROM raw_items WHERE dropped IS NULL"
    ):
        names = ", ".join(map(str, run.source.item_files)) or "item_ids"
        raise InputError(f"{names}: no row has an item id ({described(run.dropped['items'])})")


def _categories(run: Run, file: RawFile) -> str:
    """Return SQL for an item's categories, without those that say that it has none."""
    categories = file.strings(ITEM_FIELDS.index("categories"), run.source.categories_separator)
    ignored = ", ".join(map(literal, run.source.ignored_categories))
    return f"list_filter({categories}, lambda category: category NOT IN ({ignored}))" if ignored else categories


def read_interactions(run: Run) -> None:
    """Fill raw_interactions; timestamps become milliseconds (or stay positions)."""
    files = run.source.interaction_files
    for path, split in files:
        file = run.database.open(path)
        _choose(run, file, INTERACTION_FIELDS, INTERACTION_FIELDS[:3])
        wrong = [f"NOT {file.is_scalar(i)}" for i in range(len(INTERACTION_FIELDS))]
        number = "time IS NOT NULL AND timestamp IS NULL", "stars IS NOT NULL AND rating IS NULL"
        # Layer by layer, so that DuckDB computes each value once.
        _insert(
            run,
            "raw_interactions",
            file,
            f"SELECT user_id, item_id, timestamp, CASE WHEN isfinite(rating) THEN rating END, "
            f"{'NULL' if split is None else literal(split)}, {_reason(INTERACTION_FIELDS[:3])} AS dropped, wrong "
            f"FROM (SELECT * EXCLUDE (wrong), wrong | {_bits(['false', 'false', *number])} AS wrong "
            f"FROM (SELECT *, {file.milliseconds(2) or _timestamp(run, 'time')} AS timestamp, "
            "TRY_CAST(stars AS FLOAT) AS rating "
            f"FROM (SELECT *, {file.scalar(0)} AS user_id, {file.scalar(1)} AS item_id, {file.scalar(2)} AS time, "
            f"{file.scalar(3)} AS stars, {_bits(wrong)} AS wrong FROM ({file.query()}))))",
        )
    if not files:
        return
    _count_wrong_types(run, "interactions", INTERACTION_FIELDS)
    rows, users, items, usable = run.database.row(
        "SELECT count(*), count(DISTINCT user_id), count(DISTINCT item_id), count(*) FILTER (dropped IS NULL) "
        "FROM raw_interactions"
    )
    rows += run.dropped["interactions"]["malformed"]
    run.steps.append({"step": "read", "rows": rows, "users": users, "items": items})
    _count_dropped(run, "interactions")
    if not usable:
        names = ", ".join(str(path) for path, _ in files)
        raise InputError(
            f"{names}: none of {rows:,} rows has a user, an item and a timestamp "
            f"({described(run.dropped['interactions'])})"
        )
    _check_timestamp_unit(run)


def _choose(run: Run, file: RawFile, fields: Sequence[str], required: Sequence[str]) -> None:
    """Choose the file's column for each field; none for an optional one that is absent."""
    if not file.columns:
        raise InputError(f"{file.path} has no rows that can be read; JSONL is one JSON object a line")
    chosen: list[str | None] = []
    for name in fields:
        column = run.source.columns.get(name, name)
        if column in file.columns:
            chosen.append(column)
        elif name in required or name in run.source.columns:
            there = ", ".join(file.columns)
            raise InputError(
                f"{file.path} has no column {column!r} for {name}; the columns there are: {there}. "
                "Name the right one under columns"
            )
        else:
            chosen.append(None)
    file.choose(chosen)


def _insert(run: Run, table: str, file: RawFile, query: str) -> None:
    """Insert `query`, which reads the file, into `table`, and check how much of the file could be read."""
    before = run.database.count(f"SELECT count(*) FROM {table}")
    with run.database.reading(file.path):
        run.database.execute(f"INSERT INTO {table} {query}")
    rows, malformed, first_row = run.database.row(
        f"SELECT count(*), count(*) FILTER (dropped = 'malformed'), min(rowid) FILTER (dropped = 'malformed') "
        f"FROM {table} WHERE rowid >= {before}"
    )
    outside, first_line = file.malformed_outside()
    lines, bad = rows + outside, malformed + outside
    if not lines:
        raise InputError(f"{file.path} has no rows")
    if bad > run.settings.max_malformed * lines:
        if first_row is not None:
            first_line = file.line_of_row(first_row - before)
        raise InputError(
            f"{file.path}: {bad:,} of {lines:,} lines cannot be read, the first is line {first_line:,}; more than "
            f"{run.settings.max_malformed:.0%} (max_malformed) stops the run"
        )
    run.malformed[str(file.path)] = bad
    dropped = run.dropped[table.removeprefix("raw_")]
    dropped["malformed"] = dropped.get("malformed", 0) + outside
    logger.info("read %s lines of %s, %s malformed", f"{lines:,}", file.path, f"{bad:,}")


def _timestamp(run: Run, text: str) -> str:
    if run.source.timestamp_unit == "seconds":
        return f"TRY_CAST(round(TRY_CAST({text} AS DOUBLE) * 1000) AS BIGINT)"
    return f"TRY_CAST({text} AS BIGINT)"


def _check_timestamp_unit(run: Run) -> None:
    unit = run.source.timestamp_unit
    if unit in (None, "position"):
        return
    median = run.database.row("SELECT approx_quantile(timestamp, 0.5) FROM raw_interactions WHERE dropped IS NULL")[0]
    if YEAR_1990_MS <= median < YEAR_2100_MS:
        return
    raw = median / MS_A_UNIT[unit]
    like = [name for name, factor in MS_A_UNIT.items() if YEAR_1990_MS <= raw * factor < YEAR_2100_MS]
    advice = f"{like[0]}" if like else "no time since 1970; if it is only an order, say position"
    names = ", ".join(str(path) for path, _ in run.source.interaction_files)
    raise InputError(
        f"{names}: timestamp_unit is {unit}, but then the median timestamp, {raw:.0f}, would not lie between 1990 "
        f"and 2100; it looks like {advice}"
    )


def _count_wrong_types(run: Run, of: str, fields: Sequence[str]) -> None:
    counts = ", ".join(f"count(*) FILTER (wrong & {1 << i} > 0)" for i in range(len(fields)))
    values = run.database.row(f"SELECT {counts} FROM raw_{of}")
    run.wrong_types[of] = {name: n for name, n in zip(fields, values, strict=True) if n}


def _count_dropped(run: Run, of: str) -> None:
    for reason, n in run.database.rows(
        f"SELECT dropped, count(*) FROM raw_{of} WHERE dropped IS NOT NULL GROUP BY dropped ORDER BY dropped"
    ):
        run.dropped[of][reason] = run.dropped[of].get(reason, 0) + n
        logger.warning("%s rows of %s are dropped: %s", f"{n:,}", of, _explained(reason, run.source))


def _bits(conditions: Sequence[str]) -> str:
    """Return SQL for an integer with bit i set where condition i holds."""
    return " + ".join(f"CASE WHEN {condition} THEN {1 << i} ELSE 0 END" for i, condition in enumerate(conditions))


def _reason(required: Sequence[str]) -> str:
    """Return SQL for why a row is dropped, NULL where it stays; bit i of `wrong` says that field i has a wrong type."""
    cases = "".join(
        f"WHEN wrong & {1 << i} > 0 THEN 'wrong_type_{name}' WHEN {name} IS NULL THEN 'null_{name}' "
        for i, name in enumerate(required)
    )
    return f"CASE WHEN malformed THEN 'malformed' {cases}END"


def _explained(reason: str, source: Source) -> str:
    """Return a reason for dropping rows with what was expected."""
    if reason == "wrong_type_timestamp":
        return f"{reason} (expected a number: {source.timestamp_unit})"
    return f"{reason} (expected a text or a number)" if reason.startswith("wrong_type_") else reason
