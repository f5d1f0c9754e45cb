"""Titles and descriptions of items, cleaned, in a file that is read where it lies."""

import mmap
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semid.data.text import clean_texts
from semid.errors import InputError
from semid.files import column_list, full_disk_names
from semid.ids import id_strings
from semid.semantic_ids.exports.tables import open_table

FIELDS = ("title", "description")


class TextFile:
    """Texts one behind the other in a temporary file, found by their places: eight bytes a text are in memory."""

    def __init__(self, file: IO[bytes], folder: Path) -> None:
        self._file, self._folder = file, folder
        self._lengths: list[np.ndarray] = []
        self._offsets = np.zeros(1, np.int64)
        self._bytes: mmap.mmap | bytes = b""

    def add(self, texts: Iterable[str]) -> None:
        """Append texts."""
        encoded = [text.encode() for text in texts]
        self._lengths.append(np.fromiter(map(len, encoded), np.int64, len(encoded)))
        with full_disk_names(self._folder):
            self._file.write(b"".join(encoded))

    def close(self) -> Self:
        """End writing, so that texts can be read."""
        with full_disk_names(self._folder):
            self._file.flush()
        self._offsets = np.concatenate([np.zeros(1, np.int64), *map(np.cumsum, [np.concatenate(self._lengths)])])
        if self._offsets[-1]:
            self._bytes = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return self

    def __getitem__(self, place: int) -> str:
        return self._bytes[self._offsets[place] : self._offsets[place + 1]].decode()


@dataclass(frozen=True, eq=False)
class ItemTexts:
    """Title and description of every item by its number, and how many items have no title.

    A title is on one line without tabs, as :func:`semid.data.text.clean_text` leaves it. `rows`: int64 [n], the place
    of each item in the files, -1 for an item that the table of items does not have; None where places are numbers.
    """

    files: dict[str, TextFile]
    rows: np.ndarray | None
    untitled: int

    def title(self, number: int) -> str:
        """The title of an item; `Item_<number>` for one that has none, as MiniOneRec calls it."""
        return self._text("title", number) or f"Item_{number}"

    def has_title(self, number: int) -> bool:
        """Whether an item has a title of its own."""
        return bool(self._text("title", number))

    def description(self, number: int) -> str:
        """The description of an item; empty for one that has none."""
        return self._text("description", number)

    def _text(self, field: str, number: int) -> str:
        place = number if self.rows is None else int(self.rows[number])
        return self.files[field][place] if place >= 0 else ""


@contextmanager
def item_texts_of(items_path: str | Path, ids: pa.LargeStringArray, folder: Path) -> Iterator[ItemTexts]:
    """Read and clean the texts of the items `ids` from a table with `item_id`, and keep them in files in `folder`.

    The table may have the columns `title` and `description`, and its items in any order. Raises `InputError` where it
    has no `item_id` or none of the items, or one of them twice.
    """
    with ExitStack() as stack:
        files = {
            field: TextFile(stack.enter_context(TemporaryFile(dir=folder, prefix=f".{field}.")), folder)
            for field in FIELDS
        }
        # the table is closed before the texts are used: an error of theirs is none of the table
        yield _read_texts(items_path, ids, files)


def _read_texts(items_path: str | Path, ids: pa.LargeStringArray, files: dict[str, TextFile]) -> ItemTexts:
    places = np.full(len(ids), -1, np.int64)
    start = untitled = 0
    with open_table(items_path, "items") as table:
        if "item_id" not in table.columns:
            raise InputError(f"{items_path}: its columns are {column_list(table.columns)}; expected item_id and title")
        fields = [field for field in FIELDS if field in table.columns]
        for batch in table.batches(["item_id", *fields]):
            names = id_strings(items_path, batch.column("item_id"), start)
            number_of_row = _numbers(names, ids, start)
            known = number_of_row[number_of_row >= 0]
            if (places[known] >= 0).any() or len(np.unique(known)) < len(known):
                raise InputError(f"{items_path}: an item is there twice: give each item one row")
            places[known] = start + np.flatnonzero(number_of_row >= 0)
            for field in FIELDS:
                texts = _clean(batch, field) if field in fields else [""] * len(batch)
                files[field].add(texts)
                if field == "title":
                    empty = np.array([not text for text in texts], bool)
                    untitled += int(empty[number_of_row >= 0].sum())
            start += len(batch)
    if not (places >= 0).any():
        raise InputError(
            f"{items_path}: none of its items has one of these {len(ids)} IDs: give the items of their table"
        )
    untitled += int((places < 0).sum())
    in_order = start >= len(ids) and bool((places == np.arange(len(ids))).all())
    return ItemTexts({name: file.close() for name, file in files.items()}, None if in_order else places, untitled)


def _numbers(names: pa.Array, ids: pa.LargeStringArray, start: int) -> np.ndarray:
    """int64: the number of the item of each row; -1 for an item that has no semantic ID."""
    if names.equals(ids[start : start + len(names)]):
        return np.arange(start, start + len(names))
    return pc.fill_null(pc.index_in(names, value_set=ids), -1).to_numpy().astype(np.int64)


def _clean(batch: pa.RecordBatch, field: str) -> list[str]:
    texts: list[str] = clean_texts(pc.cast(batch.column(field), pa.string())).to_pylist()
    return texts
