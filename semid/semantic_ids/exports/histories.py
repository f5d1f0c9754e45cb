"""What users did, as numbers of items in the order of time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semid.errors import InputError
from semid.files import column_list
from semid.ids import id_strings
from semid.interactions import SPLITS
from semid.semantic_ids.exports.tables import Table, open_table

COLUMNS = ("user_id", "item_id")
ROWS_AT_ONCE = 1 << 20


class UserHistory(NamedTuple):
    """A user by number and name, and the items of the user, oldest first, each with the number of its split."""

    number: int
    name: str
    items: list[int]
    splits: list[int]


@dataclass(frozen=True, eq=False)
class Histories:
    """The items of every user in the order of train, valid and test, within a split in the order of time.

    items: int32 [rows], numbers of items; splits: int8 [rows], 0 train, 1 valid, 2 test; offsets: int64 [users + 1],
    where the rows of each user begin; names: large_string [users]; unknown: interactions left out, since their items
    have no semantic ID.
    """

    items: np.ndarray
    splits: np.ndarray
    offsets: np.ndarray
    names: pa.LargeStringArray
    unknown: int

    def __len__(self) -> int:
        return len(self.names)

    def with_at_least(self, fewest: int) -> Iterator[UserHistory]:
        """Yield the users with so many items or more, in the order in which they first appear."""
        for number in np.flatnonzero(np.diff(self.offsets) >= fewest).tolist():
            rows = slice(self.offsets[number], self.offsets[number + 1])
            yield UserHistory(number, self.names[number].as_py(), self.items[rows].tolist(), self.splits[rows].tolist())

    def users_with_fewer(self, fewest: int) -> int:
        """The number of users with fewer items than that, none included."""
        return int((np.diff(self.offsets) < fewest).sum())


def read_histories(source: str | Path, ids: pa.LargeStringArray) -> Histories:
    """Read the interactions of a dataset with the items `ids`, which are numbered in this order.

    `source` is a folder with `train.parquet`, `valid.parquet` and `test.parquet`, whose rows are in the order of time,
    or one table, `.parquet` or `.csv`, with `user_id`, `item_id` and `timestamp`, of which the last item of each user
    is the test split, and the one before it the validation split. Memory holds about thirty bytes an interaction, and
    the names of users. Raises `InputError` where files or columns are missing or empty.
    """
    path = Path(source)
    if not path.is_dir():
        return _from_one_table(path, ids)
    files = [path / f"{split}.parquet" for split in SPLITS]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise InputError(
            f"{path}: no {', '.join(missing)} here; expected the splits of a dataset, such as data/<dataset>, or a "
            "table with user_id, item_id and timestamp"
        )
    reader = _Reader(ids)
    for file in files:
        with open_table(file, "interactions") as table:
            reader.read(table)
    user, item = reader.users(), reader.items()
    split = np.repeat(np.arange(len(files), dtype=np.int8), reader.rows_of_tables)
    return _histories(np.argsort(user, kind="stable"), user, item, split, reader.names)


def _from_one_table(path: Path, ids: pa.LargeStringArray) -> Histories:
    reader = _Reader(ids)
    with open_table(path, "interactions") as table:
        times = reader.read(table, "timestamp")
    user, item = reader.users(), reader.items()
    order = np.lexsort((times, user))
    counts = np.bincount(user, minlength=len(reader.names))
    from_end = np.repeat(np.cumsum(counts), counts) - np.arange(len(order))
    split = np.empty(len(order), np.int8)
    split[order] = np.select([from_end == 1, from_end == 2], [2, 1], 0)
    return _histories(order, user, item, split, reader.names)


def _histories(
    order: np.ndarray, user: np.ndarray, item: np.ndarray, split: np.ndarray, names: pa.LargeStringArray
) -> Histories:
    """Interactions in this order, those whose item has no number left out."""
    known = order[item[order] >= 0]
    counts = np.bincount(user[known], minlength=len(names))
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
    return Histories(item[known], split[known], offsets, names, len(order) - len(known))


class _Reader:
    """Numbers users by first appearance, and items by their place among `ids`, batch by batch."""

    def __init__(self, ids: pa.LargeStringArray) -> None:
        self._ids = ids
        self._users: list[np.ndarray] = []
        self._items: list[np.ndarray] = []
        self.names = pa.array([], pa.large_string())
        self.rows_of_tables: list[int] = []

    def read(self, table: Table, time: str | None = None) -> np.ndarray:
        """Take all rows of a table, and return its column `time` as numbers; empty without one."""
        wanted = [*COLUMNS, *([time] if time else [])]
        missing = [name for name in wanted if name not in table.columns]
        if missing:
            raise InputError(
                f"{table.path}: no column {', '.join(missing)}; its columns are {column_list(table.columns)}"
            )
        row, times = 0, [np.empty(0)]
        for batch in _joined(table.batches(wanted)):
            self._users.append(self._number_users(id_strings(table.path, batch.column("user_id"), row)))
            items = id_strings(table.path, batch.column("item_id"), row).dictionary_encode()
            places = pc.fill_null(pc.index_in(items.dictionary, value_set=self._ids), -1).to_numpy()
            self._items.append(places.astype(np.int32)[items.indices.to_numpy()])
            if time:
                times.append(_times(table.path, batch.column(time), row))
            row += len(batch)
        self.rows_of_tables.append(row)
        return np.concatenate(times)

    def users(self) -> np.ndarray:
        """int32 [rows]: the number of the user of each interaction."""
        return np.concatenate([np.empty(0, np.int32), *self._users])

    def items(self) -> np.ndarray:
        """int32 [rows]: the number of the item of each interaction, -1 where it has no semantic ID."""
        return np.concatenate([np.empty(0, np.int32), *self._items])

    def _number_users(self, names: pa.LargeStringArray) -> np.ndarray:
        encoded = names.dictionary_encode()
        places = pc.index_in(encoded.dictionary, value_set=self.names)
        is_new = places.is_null().to_numpy(zero_copy_only=False)
        numbers = pc.fill_null(places, -1).to_numpy().astype(np.int32)
        numbers[is_new] = len(self.names) + np.arange(is_new.sum(), dtype=np.int32)
        self.names = pa.concat_arrays([self.names, encoded.dictionary.filter(pa.array(is_new))])
        return numbers[encoded.indices.to_numpy()]


def _joined(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the same rows in batches of about a million: for every batch all known names are hashed anew."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(map(len, waiting)) >= ROWS_AT_ONCE:
            yield pa.concat_batches(waiting)
            waiting = []
    if waiting:
        yield pa.concat_batches(waiting)


def _times(path: Path, times: pa.Array, row: int) -> np.ndarray:
    """Timestamps as numbers, by which rows are ordered and nothing else is done."""
    if pa.types.is_temporal(times.type):
        times = pc.cast(times, pa.int64())
    times = pc.cast(times, pa.float64())
    if times.null_count:
        at = pc.index(times.is_null(), True).as_py()
        raise InputError(f"{path}: row {row + at} has no timestamp: every interaction needs one")
    return times.to_numpy()
