"""The split tables of a dataset, as `preprocess` writes them: who met which item when."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semid.errors import InputError

SPLITS = ("train", "valid", "test")
COLUMNS = ("user_id", "item_index", "timestamp")


@dataclass(frozen=True, eq=False)
class Interactions:
    """The split tables as integers, a row an interaction, each user's rows of a split in time order.

    user, item (-1: not in items.parquet), timestamp: int64, and split: int8 (0 train, 1 valid, 2 test), each [rows].
    """

    user: np.ndarray
    item: np.ndarray
    timestamp: np.ndarray
    split: np.ndarray

    def training_counts(self, num_items: int) -> np.ndarray:
        """int64 [num_items]: interactions of every item in the training split."""
        return np.bincount(self.item[(self.split == 0) & (self.item >= 0)], minlength=num_items)

    def training_steps(self) -> np.ndarray:
        """int64 [steps, 2]: different items that a user had one after the other in the training split."""
        rows = np.flatnonzero((self.split == 0) & (self.item >= 0))
        rows = rows[np.argsort(self.user[rows], kind="stable")]
        user, item = self.user[rows], self.item[rows]
        steps = np.flatnonzero((user[1:] == user[:-1]) & (item[1:] != item[:-1]))
        return np.stack([item[steps], item[steps + 1]], axis=1)


def read_interactions(folder: str | Path, split: str = "test") -> Interactions:
    """Read `train.parquet` up to `<split>.parquet` in `folder`, per-interaction integers only.

    Users become integers by first appearance. Raises InputError for a missing or unreadable file, a missing column
    and null values.
    """
    tables = [_read_table(Path(folder) / f"{name}.parquet") for name in SPLITS[: SPLITS.index(split) + 1]]
    users = pa.chunked_array([chunk for table in tables for chunk in table["user_id"].chunks]).unify_dictionaries()
    user = [chunk.indices.to_numpy(zero_copy_only=False) for chunk in users.chunks]
    return Interactions(
        user=np.concatenate(user).astype(np.int64),
        item=np.concatenate([table["item_index"].to_numpy() for table in tables]).astype(np.int64),
        timestamp=np.concatenate([table["timestamp"].to_numpy() for table in tables]).astype(np.int64),
        split=np.repeat(np.arange(len(tables), dtype=np.int8), [len(table) for table in tables]),
    )


def _read_table(path: Path) -> pa.Table:
    try:
        missing = [column for column in COLUMNS if column not in pq.read_schema(path).names]
        if missing:
            raise InputError(f"{path} has no column {', '.join(missing)}: run preprocess again")
        # strings are decoded straight into a dictionary: one copy a user, not one an interaction
        table = pq.read_table(path, columns=list(COLUMNS), read_dictionary=["user_id"], partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read ({str(error).splitlines()[0]}): run preprocess again") from error
    for column in COLUMNS:
        if table[column].null_count:
            raise InputError(f"{path}: {table[column].null_count} null values in {column}, expected none")
    users = table["user_id"]
    if not pa.types.is_dictionary(users.type):
        table = table.set_column(table.column_names.index("user_id"), "user_id", users.dictionary_encode())
    return table
