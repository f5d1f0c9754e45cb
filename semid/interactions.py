"""The split tables of a dataset, as `preprocess` writes them: who met which item when."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semid.errors import InputError
from semid.files import first_line

SPLITS = ("train", "valid", "test")
COLUMNS = ("user_id", "item_index", "timestamp")
# Names of users are numbered when so many of them are waiting, or as many as have a number already.
NAMES_AT_ONCE = 1 << 20


@dataclass(frozen=True, eq=False)
class Interactions:
    """The split tables as integers, a row an interaction, each user's rows of a split in time order.

    user, item (-1: not in items.parquet): integers, timestamp: int64, and split: int8 (0 train, 1 valid, 2 test), each
    [rows]. What :func:`read_interactions` reads takes 17 bytes a row, with int32 for users and items.
    """

    user: np.ndarray
    item: np.ndarray
    timestamp: np.ndarray
    split: np.ndarray

    def training_counts(self, num_items: int) -> np.ndarray:
        """int64 [num_items]: interactions of every item in the training split."""
        return np.bincount(self.item[(self.split == 0) & (self.item >= 0)], minlength=num_items)

    def training_steps(self) -> np.ndarray:
        """Integers [steps, 2]: different items that a user had one after the other in the training split."""
        rows = np.flatnonzero((self.split == 0) & (self.item >= 0))
        rows = rows[np.argsort(self.user[rows], kind="stable")]
        user, item = self.user[rows], self.item[rows]
        del rows
        steps = np.flatnonzero((user[1:] == user[:-1]) & (item[1:] != item[:-1]))
        return np.stack([item[steps], item[steps + 1]], axis=1)


def read_interactions(folder: str | Path, split: str = "test") -> Interactions:
    """Read `train.parquet` up to `<split>.parquet` in `folder`, per-interaction integers only.

    Users become integers by first appearance. Memory holds the integers, the names of the users, and one row group of
    a table. Raises InputError for a missing or unreadable file, a missing column and null values.
    """
    paths = [Path(folder) / f"{name}.parquet" for name in SPLITS[: SPLITS.index(split) + 1]]
    lengths = [_count_rows(path) for path in paths]
    rows = sum(lengths)
    users = _UserNumbers(rows)
    item, timestamp = np.empty(rows, np.int32), np.empty(rows, np.int64)
    start = 0
    for path in paths:
        for names, items, times in _columns(path):
            stop = start + len(names)
            users.add(names)
            item[start:stop], timestamp[start:stop] = items, times
            start = stop
    return Interactions(users.numbers(), item, timestamp, np.repeat(np.arange(len(paths), dtype=np.int8), lengths))


class _UserNumbers:
    """Numbers names of users by first appearance, as they are read.

    Names wait as dictionaries until there are many, so that the time to number them stays proportional to all of them.
    """

    def __init__(self, rows: int) -> None:
        self._numbers = np.empty(rows, np.int32)
        self._numbered = 0
        self._known: pa.Array | None = None
        self._waiting: list[pa.DictionaryArray] = []
        self._names_waiting = 0

    def add(self, names: pa.ChunkedArray) -> None:
        """Take the names of the next rows."""
        if not pa.types.is_dictionary(names.type):
            names = names.dictionary_encode()
        names = names.cast(pa.dictionary(pa.int32(), names.type.value_type))
        self._waiting += names.chunks
        self._names_waiting += sum(len(chunk.dictionary) for chunk in names.chunks)
        if self._names_waiting > max(NAMES_AT_ONCE, 0 if self._known is None else len(self._known)):
            self._number()

    def numbers(self) -> np.ndarray:
        """int32 [rows]: the number of the name in each row."""
        self._number()
        return self._numbers

    def _number(self) -> None:
        if not self._waiting:
            return
        chunks = self._waiting
        if self._known is not None:
            # Names that have a number come first, and keep it.
            chunks = [pa.DictionaryArray.from_arrays(pa.array([], pa.int32()), self._known), *chunks]
        unified = pa.chunked_array(chunks).unify_dictionaries()
        for chunk in unified.chunks:
            stop = self._numbered + len(chunk)
            self._numbers[self._numbered : stop] = chunk.indices.to_numpy()
            self._numbered = stop
        self._known = unified.chunks[-1].dictionary
        self._waiting, self._names_waiting = [], 0


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read ({first_line(error)}): run preprocess again") from error


def _count_rows(path: Path) -> int:
    with _readable(path):
        metadata = pq.read_metadata(path)
    missing = [column for column in COLUMNS if column not in metadata.schema.names]
    if missing:
        raise InputError(f"{path} has no column {', '.join(missing)}: run preprocess again")
    return metadata.num_rows


def _columns(path: Path) -> Iterator[tuple[pa.ChunkedArray, np.ndarray, np.ndarray]]:
    """Yield the names of users, the items and the timestamps of each row group of a table."""
    nulls = dict.fromkeys(COLUMNS, 0)
    # strings are decoded straight into a dictionary: one copy a user, not one an interaction
    with _readable(path), pq.ParquetFile(path, read_dictionary=["user_id"]) as file:
        for number in range(file.num_row_groups):
            group = file.read_row_group(number, columns=list(COLUMNS))
            nulls = {column: count + group[column].null_count for column, count in nulls.items()}
            if not any(nulls.values()):
                items = group["item_index"].cast(pa.int32()).to_numpy()
                yield group["user_id"], items, group["timestamp"].to_numpy()
    for column, count in nulls.items():
        if count:
            raise InputError(f"{path}: {count} null values in {column}, expected none")
