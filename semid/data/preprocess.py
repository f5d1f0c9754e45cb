"""From a source to items.parquet, train.parquet, valid.parquet, test.parquet and stats.json.

DuckDB does what grows with text; integers (one a user, item or interaction) go through numpy for the k-core.
"""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from semid.amazon2023 import FIVE_CORE_COUNTS, OFFICIAL_SPLITS, Counts
from semid.data.database import Database, RawFile, literal, temporary_database
from semid.data.sources import INTERACTION_FIELDS, ITEM_FIELDS, SPLITS, AmazonReviews2023, Source
from semid.data.text import clean_texts
from semid.errors import InputError
from semid.files import whole_file, write_json
from semid.progress import Progress

logger = logging.getLogger(__name__)

MIN_HISTORY = 3  # interactions of a user, for leave_last_out to have one in each split
YEAR_1990_MS, YEAR_2100_MS = 631_152_000_000, 4_102_444_800_000
MS_A_UNIT = {"seconds": 1e3, "milliseconds": 1.0, "microseconds": 1e-3, "nanoseconds": 1e-6}
ROWS_A_BATCH = 20_480
UNKNOWN_TO_WARN_OF = 0.1
ITEMS_SCHEMA = pa.schema(
    [
        ("item_index", pa.int32()),
        ("item_id", pa.string()),
        ("title", pa.string()),
        ("description", pa.string()),
        ("categories", pa.list_(pa.string())),
        ("store", pa.string()),
        ("in_train", pa.bool_()),
    ]
)
SPLIT_SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("item_id", pa.string()),
        ("item_index", pa.int32()),
        ("timestamp", pa.int64()),
        ("rating", pa.float32()),
    ]
)


@dataclass(frozen=True)
class PreprocessSettings:
    """How interactions are filtered and split.

    k_core: users and items keep at least that many interactions each; 0 switches it off, and items without
        interactions stay too.
    repeats: of a user's interactions with one item, keep the `first`, the `last` or all (`keep`).
    split: `leave_last_out` (last = test, the one before = valid; users with fewer than 3 interactions stay in train
        whole), or two timestamps (t1, t2) in the unit of the outputs: train < t1 <= valid < t2 <= test. For the files
        of an official split of Amazon Reviews 2023 its name, such as `official_5core_last_out`.
    ties: order of a user's interactions of equal timestamp: as in the `source`, or `shuffle`, by `seed`.
    max_malformed: share of a file's lines that may be unreadable before the run stops.
    memory_limit: of DuckDB, in MB; threads: of DuckDB. Neither changes the result.

    Raises InputError for a value out of its range.
    """

    k_core: int = 5
    repeats: str = "first"
    split: str | tuple[int, int] = "leave_last_out"
    ties: str = "source"
    seed: int = 0
    max_malformed: float = 0.01
    memory_limit: int = 2000
    threads: int = 1

    def __post_init__(self) -> None:
        if self.k_core < 0:
            raise InputError(f"k_core is {self.k_core}; it must be 0 (off) or more")
        if self.repeats not in ("first", "last", "keep"):
            raise InputError(f"repeats: {self.repeats!r} is none of first, last, keep")
        if self.ties not in ("source", "shuffle"):
            raise InputError(f"ties: {self.ties!r} is none of source, shuffle")
        if isinstance(self.split, str):
            if self.split != "leave_last_out" and not self.is_official:
                raise InputError(
                    f"split: {self.split!r} is none of leave_last_out, {', '.join(OFFICIAL_SPLITS)}, nor two timestamps"
                )
        elif len(self.split) != 2 or not self.split[0] < self.split[1]:
            raise InputError(f"split: timestamps {list(self.split)} must be two, the first smaller")
        if not 0 <= self.max_malformed <= 1:
            raise InputError(f"max_malformed is {self.max_malformed}; it is a share between 0 and 1")
        if self.memory_limit < 100 or self.threads < 1:
            raise InputError(
                f"memory_limit is {self.memory_limit} MB and threads {self.threads}; at least 100 and 1 are needed"
            )

    @property
    def is_official(self) -> bool:
        """Whether the split is one of the official files of Amazon Reviews 2023."""
        return isinstance(self.split, str) and self.split in OFFICIAL_SPLITS


@dataclass(frozen=True)
class Outputs:
    """The five files that :func:`preprocess` writes."""

    items: Path
    train: Path
    valid: Path
    test: Path
    stats: Path


def preprocess(
    source: Source,
    settings: PreprocessSettings,
    outputs: Outputs,
    item_ids: Sequence[str] | None = None,
    note: str = "",
) -> None:
    """Read, validate, filter and split the interactions of `source`; write all `outputs`, stats.json last, or none.

    items.parquet: item_index int32 (the row number), item_id, title, description, categories (list), store, in_train;
    ordered by item_id (bytes). Text is cleaned; what is missing is empty. Splits: user_id, item_id, item_index int32,
    timestamp int64 (milliseconds, or positions), rating float (null where there is none), sorted by user, then time,
    then source order. Split files of the source keep their rows: no repeats, k-core or split is applied, and valid and
    test rows of an unknown item have item_index -1. Of official 5-core files the items are those of the interactions,
    as after a k-core of our own.

    stats.json says what was dropped at each step and why; of a single category whose official 5-core has published
    counts, `published` compares them with what was found.

    item_ids: the catalogue, for a source that names no items (with one's own embeddings). Without interactions the
    split files are empty and every item has in_train. note: what stats.json says of the data, such as that it is
    synthetic.

    Raises InputError for files, columns or values that cannot be used and for filters that leave nothing.
    """
    if item_ids is not None and source.item_files:
        raise InputError("item_ids are given, and the dataset names items too; leave one of them out")
    if item_ids is None and not source.item_files and not source.interaction_files:
        raise InputError("the dataset names neither interactions nor items; name at least one file")
    if settings.is_official != (isinstance(source, AmazonReviews2023) and source.splits is not None):
        raise InputError(
            f"split: {settings.split} is read from official files: name a category, or the files under splits"
            if settings.is_official
            else f"splits: say which of the official splits these files are, under split: {', '.join(OFFICIAL_SPLITS)}"
        )
    with temporary_database(Path(outputs.items).parent, settings.memory_limit, settings.threads) as database:
        run = _Run(database, source, settings)
        run.read_items(item_ids)
        run.read_interactions()
        run.number()
        run.drop_unknown_items()
        if source.interaction_files and not run.is_split:
            run.drop_repeats()
            run.apply_k_core()
        run.order_and_split()
        run.index_items()
        run.compare_with_published()
        run.write(outputs, note)


def k_core(
    users: NDArray[np.int32], items: NDArray[np.int32], k: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], int]:
    """Return users and items of the k-core of interactions (users[i], items[i]), ascending, and the rounds it took.

    The k-core is the largest set of interactions in which every user and every item has at least k. A round drops all
    interactions of users and items that have fewer; the rounds end when none is dropped.
    """
    rounds = 0
    while True:
        keep = (np.bincount(users) >= k)[users] & (np.bincount(items) >= k)[items]
        if keep.all():
            return np.unique(users), np.unique(items), rounds
        users, items = users[keep], items[keep]
        rounds += 1


class _Run:
    """One run over a database. Tables, in the order they appear:

    raw_items(item_id, title, description, categories, store, dropped, wrong)      rowid = source order
    raw_interactions(user_id, item_id, timestamp, rating, split, dropped, wrong)   rowid = source order
    users(user_id), items(item_id, listing, known)                                 rowid = number, by id
    events(user_number, item_number, timestamp, rating, source_row, split)         replaced by every step
    kept_items(item_number, in_train)                                              rowid = item_index
    """

    def __init__(self, database: Database, source: Source, settings: PreprocessSettings) -> None:
        self.database, self.source, self.settings = database, source, settings
        self.is_split = any(split is not None for _, split in source.interaction_files)
        self.steps: list[dict[str, Any]] = []
        self.malformed: dict[str, int] = {}
        self.wrong_types: dict[str, dict[str, int]] = {"interactions": {}, "items": {}}
        self.dropped: dict[str, dict[str, int]] = {"interactions": {}, "items": {}}
        self.facts: dict[str, Any] = {}
        database.execute(
            "CREATE TABLE raw_items (item_id VARCHAR, title VARCHAR, description VARCHAR, categories VARCHAR[], "
            "store VARCHAR, dropped VARCHAR, wrong UTINYINT)"
        )
        database.execute(
            "CREATE TABLE raw_interactions (user_id VARCHAR, item_id VARCHAR, timestamp BIGINT, rating FLOAT, "
            "split VARCHAR, dropped VARCHAR, wrong UTINYINT)"
        )

    # Reading

    def read_items(self, item_ids: Sequence[str] | None) -> None:
        """Fill raw_items from the item files or from `item_ids`."""
        if item_ids is not None:
            self.database.add_table("given_ids", "item_id", pa.string(), item_ids)
            self.database.execute(
                "INSERT INTO raw_items SELECT item_id, NULL, NULL, NULL, NULL, "
                "CASE WHEN coalesce(trim(item_id), '') = '' THEN 'null_item_id' END, 0 FROM given_ids"
            )
        for path in self.source.item_files:
            file = self.database.open(path)
            self._choose(file, ITEM_FIELDS, ("item_id",))
            wrong = _bits([f"NOT {file.is_scalar(0)}", *(f"NOT {file.is_prose(i)}" for i in range(1, 5))])
            self._insert(
                "raw_items",
                file,
                f"SELECT item_id, title, description, categories, store, {_reason(ITEM_FIELDS[:1])} AS dropped, wrong "
                f"FROM (SELECT malformed, {file.scalar(0)} AS item_id, {file.prose(1)} AS title, "
                f"{file.prose(2)} AS description, {file.strings(3, self.source.categories_separator)} AS categories, "
                f"{file.prose(4)} AS store, {wrong} AS wrong FROM ({file.query()}))",
            )
        self._count_wrong_types("items", ITEM_FIELDS)
        if self.source.items_from_splits:
            self.dropped["items"] = {}  # the same lines are counted as interactions
            return
        self._count_dropped("items")
        if (item_ids is not None or self.source.item_files) and not self.database.count(
            "SELECT count(*) FROM raw_items WHERE dropped IS NULL"
        ):
            names = ", ".join(map(str, self.source.item_files)) or "item_ids"
            raise InputError(f"{names}: no row has an item id ({_counts(self.dropped['items'])})")

    def read_interactions(self) -> None:
        """Fill raw_interactions; timestamps become milliseconds (or stay positions)."""
        files = self.source.interaction_files
        for path, split in files:
            file = self.database.open(path)
            self._choose(file, INTERACTION_FIELDS, INTERACTION_FIELDS[:3])
            wrong = [f"NOT {file.is_scalar(i)}" for i in range(len(INTERACTION_FIELDS))]
            number = "time IS NOT NULL AND timestamp IS NULL", "stars IS NOT NULL AND rating IS NULL"
            # Layer by layer, so that DuckDB computes each value once.
            self._insert(
                "raw_interactions",
                file,
                f"SELECT user_id, item_id, timestamp, CASE WHEN isfinite(rating) THEN rating END, "
                f"{'NULL' if split is None else literal(split)}, {_reason(INTERACTION_FIELDS[:3])} AS dropped, wrong "
                f"FROM (SELECT * EXCLUDE (wrong), wrong | {_bits(['false', 'false', *number])} AS wrong "
                f"FROM (SELECT *, {file.milliseconds(2) or self._timestamp('time')} AS timestamp, "
                "TRY_CAST(stars AS FLOAT) AS rating "
                f"FROM (SELECT *, {file.scalar(0)} AS user_id, {file.scalar(1)} AS item_id, {file.scalar(2)} AS time, "
                f"{file.scalar(3)} AS stars, {_bits(wrong)} AS wrong FROM ({file.query()}))))",
            )
        if not files:
            return
        self._count_wrong_types("interactions", INTERACTION_FIELDS)
        rows, users, items, usable = self.database.row(
            "SELECT count(*), count(DISTINCT user_id), count(DISTINCT item_id), count(*) FILTER (dropped IS NULL) "
            "FROM raw_interactions"
        )
        rows += self.dropped["interactions"]["malformed"]
        self.steps.append({"step": "read", "rows": rows, "users": users, "items": items})
        self._count_dropped("interactions")
        if not usable:
            names = ", ".join(str(path) for path, _ in files)
            raise InputError(
                f"{names}: none of {rows:,} rows has a user, an item and a timestamp "
                f"({_counts(self.dropped['interactions'])})"
            )
        self._check_timestamp_unit()

    def _choose(self, file: RawFile, fields: Sequence[str], required: Sequence[str]) -> None:
        """Choose the file's column for each field; none for an optional one that is absent."""
        if not file.columns:
            raise InputError(f"{file.path} has no rows that can be read; JSONL is one JSON object a line")
        chosen: list[str | None] = []
        for name in fields:
            column = self.source.columns.get(name, name)
            if column in file.columns:
                chosen.append(column)
            elif name in required or name in self.source.columns:
                there = ", ".join(file.columns)
                raise InputError(
                    f"{file.path} has no column {column!r} for {name}; the columns there are: {there}. "
                    "Name the right one under columns"
                )
            else:
                chosen.append(None)
        file.choose(chosen)

    def _insert(self, table: str, file: RawFile, query: str) -> None:
        """Insert `query`, which reads the file, into `table`, and check how much of the file could be read."""
        before = self.database.count(f"SELECT count(*) FROM {table}")
        with self.database.reading(file.path):
            self.database.execute(f"INSERT INTO {table} {query}")
        rows, malformed, first_row = self.database.row(
            f"SELECT count(*), count(*) FILTER (dropped = 'malformed'), min(rowid) FILTER (dropped = 'malformed') "
            f"FROM {table} WHERE rowid >= {before}"
        )
        outside, first_line = file.malformed_outside()
        lines, bad = rows + outside, malformed + outside
        if not lines:
            raise InputError(f"{file.path} has no rows")
        if bad > self.settings.max_malformed * lines:
            if first_row is not None:
                first_line = file.line_of_row(first_row - before)
            raise InputError(
                f"{file.path}: {bad:,} of {lines:,} lines cannot be read, the first is line {first_line:,}; more than "
                f"{self.settings.max_malformed:.0%} (max_malformed) stops the run"
            )
        self.malformed[str(file.path)] = bad
        dropped = self.dropped[table.removeprefix("raw_")]
        dropped["malformed"] = dropped.get("malformed", 0) + outside
        logger.info("read %s lines of %s, %s malformed", f"{lines:,}", file.path, f"{bad:,}")

    def _timestamp(self, text: str) -> str:
        if self.source.timestamp_unit == "seconds":
            return f"TRY_CAST(round(TRY_CAST({text} AS DOUBLE) * 1000) AS BIGINT)"
        return f"TRY_CAST({text} AS BIGINT)"

    def _check_timestamp_unit(self) -> None:
        unit = self.source.timestamp_unit
        if unit in (None, "position"):
            return
        median = self.database.row(
            "SELECT approx_quantile(timestamp, 0.5) FROM raw_interactions WHERE dropped IS NULL"
        )[0]
        if YEAR_1990_MS <= median < YEAR_2100_MS:
            return
        raw = median / MS_A_UNIT[unit]
        like = [name for name, factor in MS_A_UNIT.items() if YEAR_1990_MS <= raw * factor < YEAR_2100_MS]
        advice = f"{like[0]}" if like else "no time since 1970; if it is only an order, say position"
        names = ", ".join(str(path) for path, _ in self.source.interaction_files)
        raise InputError(
            f"{names}: timestamp_unit is {unit}, but then the median timestamp, {raw:.0f}, would not lie between 1990 "
            f"and 2100; it looks like {advice}"
        )

    def _count_wrong_types(self, of: str, fields: Sequence[str]) -> None:
        counts = ", ".join(f"count(*) FILTER (wrong & {1 << i} > 0)" for i in range(len(fields)))
        values = self.database.row(f"SELECT {counts} FROM raw_{of}")
        self.wrong_types[of] = {name: n for name, n in zip(fields, values, strict=True) if n}

    def _count_dropped(self, of: str) -> None:
        for reason, n in self.database.rows(
            f"SELECT dropped, count(*) FROM raw_{of} WHERE dropped IS NOT NULL GROUP BY dropped ORDER BY dropped"
        ):
            self.dropped[of][reason] = self.dropped[of].get(reason, 0) + n
            logger.warning("%s rows of %s are dropped: %s", f"{n:,}", of, _explained(reason, self.source))

    # Filtering

    def number(self) -> None:
        """Give users and items integers in the order of their ids; choose the listing that describes an item."""
        database = self.database
        has_listings = database.count("SELECT count(*) FROM raw_items WHERE dropped IS NULL") > 0
        self.has_listings = has_listings
        # The first listing with a title: those without are numbered behind all others.
        behind = 1 << 60
        listing = f"rowid + CASE WHEN coalesce(trim(title), '') = '' THEN {behind} ELSE 0 END"
        database.execute(
            f"CREATE TABLE items AS SELECT item_id, min(listing) & {behind - 1} AS listing, "
            f"{'min(listing) IS NOT NULL' if has_listings else 'true'} AS known FROM ("
            f"SELECT item_id, {listing} AS listing FROM raw_items WHERE dropped IS NULL UNION ALL "
            "SELECT item_id, NULL FROM raw_interactions WHERE dropped IS NULL) GROUP BY item_id ORDER BY item_id"
        )
        database.execute(
            "CREATE TABLE users AS SELECT DISTINCT user_id FROM raw_interactions WHERE dropped IS NULL ORDER BY user_id"
        )
        database.execute(
            "CREATE TABLE events AS SELECT u.rowid::INTEGER AS user_number, i.rowid::INTEGER AS item_number, "
            "r.timestamp, r.rating, r.rowid AS source_row, r.split FROM raw_interactions r "
            "JOIN users u ON u.user_id = r.user_id JOIN items i ON i.item_id = r.item_id WHERE r.dropped IS NULL"
        )
        database.execute("DROP TABLE raw_interactions")
        if has_listings and not self.source.items_from_splits:
            rows, ids = database.row("SELECT count(*), count(DISTINCT item_id) FROM raw_items WHERE dropped IS NULL")
            self.dropped["items"]["duplicate_listing"] = rows - ids
        self._step("usable")

    def drop_unknown_items(self) -> None:
        """Drop interactions of items that the item file does not list; valid and test rows of given splits stay."""
        if not self.source.interaction_files or not self.has_listings:
            return
        unknown = "item_number IN (SELECT rowid FROM items WHERE NOT known)"
        if not self.database.count(f"SELECT count(*) FROM events WHERE NOT {unknown}"):
            here = self._examples("items WHERE rowid IN (SELECT item_number FROM events)")
            there = self._examples("items WHERE known")
            raise InputError(
                f"no interaction has an item of the item file: interactions name {here}, the item file {there}; "
                "check columns: item_id, and that both files write ids alike"
            )
        share, example = self.database.row(
            f"SELECT avg(({unknown})::INTEGER), any_value(item_number) FILTER ({unknown}) FROM events"
        )
        if share > UNKNOWN_TO_WARN_OF:
            example = self._examples(f"items WHERE rowid = {example}")
            logger.warning(
                "%.0f%% of the interactions name items that the item file lacks, such as %s", 100 * share, example
            )
        self._keep(f"NOT {unknown} OR split IN ('valid', 'test')", "unknown_item")
        self._step("known_items")

    def _examples(self, table: str) -> str:
        ids = self.database.rows(f"SELECT item_id FROM {table} ORDER BY rowid LIMIT 3")
        return ", ".join(repr(item_id) for (item_id,) in ids)

    def drop_repeats(self) -> None:
        """Keep one of a user's interactions with an item."""
        if self.settings.repeats == "keep":
            return
        direction = "ASC" if self.settings.repeats == "first" else "DESC"
        self._keep(
            "true QUALIFY row_number() OVER (PARTITION BY user_number, item_number "
            f"ORDER BY timestamp {direction}, source_row {direction}) = 1",
            "repeated",
        )
        self._step("repeats")

    def apply_k_core(self) -> None:
        k = self.settings.k_core
        if k == 0:
            return
        before = self.steps[-1]
        users, items = self.database.integers("SELECT user_number, item_number FROM events")
        users, items, rounds = k_core(users, items, k)
        if not len(users):
            raise InputError(
                f"k_core: no user is left with {k} interactions each of a user and an item; before there were "
                f"{before['rows']:,} interactions of {before['users']:,} users with {before['items']:,} items. "
                "Lower k_core (0 switches it off)"
            )
        self.database.add_table("core_users", "number", pa.int32(), users)
        self.database.add_table("core_items", "number", pa.int32(), items)
        self._keep(
            "user_number IN (SELECT number FROM core_users) AND item_number IN (SELECT number FROM core_items)",
            "k_core",
        )
        self._step("k_core", rounds=rounds)

    def _keep(self, condition: str, reason: str) -> None:
        """Replace events by those that meet `condition`; count the others under `reason`."""
        before = self.database.count("SELECT count(*) FROM events")
        self.database.execute(f"CREATE TABLE kept_events AS SELECT * FROM events WHERE {condition}")
        self.database.execute("DROP TABLE events")
        self.database.execute("ALTER TABLE kept_events RENAME TO events")
        after = self.database.count("SELECT count(*) FROM events")
        self.dropped["interactions"][reason] = before - after

    def _step(self, name: str, **facts: int) -> None:
        if not self.source.interaction_files:
            return
        rows, users, items = self.database.row(
            "SELECT count(*), count(DISTINCT user_number), count(DISTINCT item_number) FROM events"
        )
        step = {"step": name, "rows": rows, "users": users, "items": items, **facts}
        logger.info("%s: %s interactions, %s users, %s items", name, f"{rows:,}", f"{users:,}", f"{items:,}")
        self.steps.append(step)

    # Splitting

    def order_and_split(self) -> None:
        """Sort events by user, time and source order (or seeded shuffle), and name the split of each."""
        database, settings = self.database, self.settings
        # A digest depends on nothing but seed and row, so any version and thread count shuffles alike.
        key = "source_row" if settings.ties == "source" else f"md5_number('{settings.seed}:' || source_row), source_row"
        part = "CASE split WHEN 'valid' THEN 1 WHEN 'test' THEN 2 ELSE 0 END"
        database.execute(f"CREATE TABLE ordered AS SELECT * FROM events ORDER BY user_number, {part}, timestamp, {key}")
        database.execute(
            "CREATE TABLE histories AS SELECT user_number, max(rowid) AS last, count(*) AS length FROM ordered "
            "GROUP BY user_number"
        )
        if self.is_split:
            split = "split"
        elif isinstance(settings.split, str):
            split = (
                f"CASE WHEN length < {MIN_HISTORY} THEN 'train' WHEN o.rowid = last THEN 'test' "
                "WHEN o.rowid = last - 1 THEN 'valid' ELSE 'train' END"
            )
        else:
            t1, t2 = (int(t) for t in settings.split)
            split = f"CASE WHEN timestamp < {t1} THEN 'train' WHEN timestamp < {t2} THEN 'valid' ELSE 'test' END"
        database.execute("DROP TABLE events")
        database.execute(
            f"CREATE TABLE events AS SELECT o.* EXCLUDE (split), {split} AS split FROM ordered o "
            "JOIN histories h ON h.user_number = o.user_number ORDER BY o.rowid"
        )
        database.execute("DROP TABLE ordered")
        if not self.source.interaction_files:
            return
        users, tied, short = database.row(
            "SELECT count(*) FILTER (length > 1), count(*) FILTER (length > 1 AND a.timestamp = b.timestamp), "
            f"count(*) FILTER (length < {MIN_HISTORY}) FROM histories h JOIN events a ON a.rowid = h.last "
            "LEFT JOIN events b ON b.rowid = h.last - 1"
        )
        self.facts["ties"] = {
            "users_with_two_interactions": users,
            "last_two_tied": tied,
            "share": tied / users if users else 0.0,
        }
        if settings.split == "leave_last_out" and not self.is_split:
            self.facts["users_too_short_to_split"] = short
        sizes = {split: {"rows": 0, "users": 0, "items": 0} for split in SPLITS}
        for split, rows, users, items in database.rows(
            "SELECT split, count(*), count(DISTINCT user_number), count(DISTINCT item_number) FROM events "
            "GROUP BY split"
        ):
            sizes[split] = {"rows": rows, "users": users, "items": items}
        self.facts["splits"] = sizes
        for split in ("train", "test"):
            if not sizes[split]["rows"]:
                raise InputError(self._empty_split(split))
        if not sizes["valid"]["rows"]:
            logger.warning("the valid split is empty: nothing can be chosen on it")

    def _empty_split(self, name: str) -> str:
        if self.is_split:
            path = next(path for path, split in self.source.interaction_files if split == name)
            return f"splits: {name}: no row of {path} is left ({_counts(self.dropped['interactions'])})"
        if isinstance(self.settings.split, str):
            return f"split: {name} is empty: no user has {MIN_HISTORY} interactions, which leave_last_out needs"
        first, last = self.database.row("SELECT min(timestamp), max(timestamp) FROM events")
        return (
            f"split: {name} is empty: the timestamps {list(self.settings.split)} must lie inside those of the "
            f"interactions, {first} to {last}"
        )

    def index_items(self) -> None:
        """Number the items that stay: those of the events after a k-core, else the whole catalogue."""
        if self.settings.is_official:
            filtered = str(self.settings.split).startswith("official_5core")
        else:
            filtered = bool(self.source.interaction_files) and not self.is_split and self.settings.k_core > 0
        in_train = "rowid IN (SELECT item_number FROM events WHERE split = 'train')"
        self.database.execute(
            "CREATE TABLE kept_items AS SELECT rowid::INTEGER AS item_number, "
            f"{in_train if self.source.interaction_files else 'true'} AS in_train FROM items WHERE known "
            f"{'AND rowid IN (SELECT item_number FROM events)' if filtered else ''} ORDER BY rowid"
        )
        n, n_train = self.database.row("SELECT count(*), count(*) FILTER (in_train) FROM kept_items")
        known = self.database.count("SELECT count(*) FROM items WHERE known")
        self.dropped["items"]["k_core"] = known - n
        self.facts["items"] = {"rows": n, "in_train": n_train}

    def compare_with_published(self) -> None:
        """Say whether the 5-core of a category has the size that was published, where one was."""
        category, settings = self.source.category, self.settings
        if self.is_split:
            is_five_core = str(settings.split).startswith("official_5core")
        else:
            is_five_core = settings.k_core == 5 and settings.repeats != "keep"
        if not is_five_core or category not in FIVE_CORE_COUNTS:
            return
        last = self.steps[-1]
        expected, found = FIVE_CORE_COUNTS[category], Counts(last["users"], last["items"], last["rows"])
        self.facts["published"] = {
            "category": category,
            "expected": expected._asdict(),
            "found": found._asdict(),
            "matches": found == expected,
        }
        sizes = [f"{n.users:,} users, {n.items:,} items, {n.interactions:,} interactions" for n in (found, expected)]
        if found == expected:
            logger.info("%s: the 5-core has its published size", category)
        else:
            logger.warning(
                "%s: THE 5-CORE IS NOT THE PUBLISHED ONE: found %s; published %s. Metrics on it do not compare with "
                "published ones. Either the files differ from the release, or rows were dropped that count there (%s)",
                category,
                *sizes,
                _counts(self.dropped["interactions"]),
            )

    # Writing

    def write(self, outputs: Outputs, note: str) -> None:
        """Write all outputs; they appear together, stats.json last."""
        with ExitStack() as files:
            for split in reversed(SPLITS):  # the stack is left in reverse order
                self._write_split(split, files.enter_context(whole_file(getattr(outputs, split))))
            self._write_items(files.enter_context(whole_file(outputs.items)))
            stats = {"note": note, **self._stats()}
        write_json(outputs.stats, stats)

    def _write_split(self, split: str, path: Path) -> None:
        query = (
            "SELECT u.user_id, i.item_id, coalesce(k.rowid, -1)::INTEGER AS item_index, e.timestamp, e.rating "
            "FROM events e JOIN users u ON u.rowid = e.user_number JOIN items i ON i.rowid = e.item_number "
            f"LEFT JOIN kept_items k ON k.item_number = e.item_number WHERE e.split = {literal(split)} ORDER BY e.rowid"
        )
        self._copy(query, path, SPLIT_SCHEMA, f"writing {split}")

    def _write_items(self, path: Path) -> None:
        query = (
            "SELECT k.rowid::INTEGER AS item_index, i.item_id, r.title, r.description, r.categories, r.store, "
            "k.in_train FROM kept_items k JOIN items i ON i.rowid = k.item_number "
            "LEFT JOIN raw_items r ON r.rowid = i.listing ORDER BY k.rowid"
        )
        self._copy(query, path, ITEMS_SCHEMA, "cleaning items")

    def _copy(self, query: str, path: Path, schema: pa.Schema, what: str) -> None:
        """Write a query's rows, items with clean text, as parquet of exactly `schema`.

        DuckDB's own files are nullable or not depending on the data, and cut in row groups depending on the threads.
        """
        raw = self.database.folder / "rows.parquet"
        self.database.execute(f"COPY ({query}) TO {literal(str(raw))} (FORMAT parquet, ROW_GROUP_SIZE {ROWS_A_BATCH})")
        with (
            pq.ParquetFile(raw) as file,
            pq.ParquetWriter(path, schema) as writer,
            Progress(file.metadata.num_rows, what) as progress,
        ):
            for batch in file.iter_batches(ROWS_A_BATCH):
                rows = pa.table(batch) if schema is SPLIT_SCHEMA else _cleaned(batch)
                writer.write_table(rows.cast(schema))
                progress.update(len(batch))
        raw.unlink()

    def _stats(self) -> dict[str, Any]:
        source, settings = self.source, asdict(self.settings)
        unused = ["memory_limit", "threads"]
        if self.is_split or not source.interaction_files:
            unused += ["k_core", "repeats"] + ([] if self.settings.is_official else ["split"])
        return {
            "source": type(source).__name__,
            "files": {
                "interactions": [str(path) for path, _ in source.interaction_files],
                "items": [str(path) for path in source.item_files],
            },
            "timestamp_unit": source.timestamp_unit,
            "settings": {name: value for name, value in settings.items() if name not in unused},
            "split_by_source": self.is_split,
            "malformed_lines": self.malformed,
            "wrong_types": self.wrong_types,
            "steps": self.steps,
            "dropped": {of: {reason: n for reason, n in counts.items() if n} for of, counts in self.dropped.items()},
            **self.facts,
        }


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


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{reason}: {n:,}" for reason, n in counts.items() if n) or "no reason counted"


def _cleaned(items: pa.RecordBatch) -> pa.Table:
    """Return items with clean text; what is missing becomes empty."""
    columns = {name: items.column(name) for name in items.schema.names}
    for name in ("title", "description", "store"):
        columns[name] = clean_texts(columns[name])
    path_of_part = np.asarray(pc.list_parent_indices(columns["categories"]))
    parts = clean_texts(pc.list_flatten(columns["categories"]))
    filled = np.asarray(pc.not_equal(parts, ""))
    lengths = np.bincount(path_of_part[filled], minlength=len(items))
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    columns["categories"] = pa.ListArray.from_arrays(offsets, parts.filter(pa.array(filled)))
    return pa.table(columns)
