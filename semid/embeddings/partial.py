"""A part that outlives an interruption: its rows are written in order, beside a record of how many are finished."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from semid.embeddings.store import create_array
from semid.errors import InputError
from semid.files import lock, open_partial, sync, write_json

logger = logging.getLogger(__name__)


@dataclass
class PartialPart:
    """A part that is being written: `vectors` is its memmap `[rows, dim]`, and its first `done` rows are finished."""

    vectors: np.memmap
    done: int
    _record: Path
    _key: dict[str, Any]

    def keep(self, done: int) -> None:
        """Record that the first `done` rows are written: from there an interrupted run continues."""
        self.vectors.flush()
        write_json(self._record, {"key": self._key, "rows": done})
        self.done = done


@contextmanager
def resumable_part(path: str | Path, rows: int, dim: int, dtype: str, key: dict[str, Any]) -> Iterator[PartialPart]:
    """Continue the part `path` where an earlier process left it, or begin it.

    The part appears at `path` when the block ends without an exception. `key` holds, as JSON, all that the rows depend
    on: a part that was left under another key is begun anew. After an exception or a kill the rows that
    :meth:`PartialPart.keep` recorded remain in `.<name>.partial`, their number and the key in `.<name>.rows.partial`.
    Raises `InputError` while another process writes the same part, and where a link has the name of that file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    record = path.with_name(f".{path.name}.rows.partial")
    with _locked(partial):
        done = _finished_rows(partial, record, rows, dim, dtype, key)
        if not done:
            # the record goes before the rows that it counts, so that it never describes the file that replaces them
            record.unlink(missing_ok=True)
        try:
            if done:
                logger.info("%s: going on after %d of %d rows", partial, done, rows)
                vectors = np.lib.format.open_memmap(partial, mode="r+")
            else:
                vectors = create_array(partial, rows, dim, dtype)
            yield PartialPart(vectors, done, record, key)
            vectors.flush()
            sync(partial)
            os.replace(partial, path)
            record.unlink(missing_ok=True)
        finally:
            if not record.exists():
                partial.unlink(missing_ok=True)


@contextmanager
def _locked(partial: Path) -> Iterator[None]:
    """Hold a lock on a file, which is created if it is absent. The system drops the lock of a process that dies."""
    with open_partial(partial) as file:
        try:
            if not lock(file):
                logger.warning("%s cannot be locked: no other process may write it now", partial)
        except BlockingIOError:
            raise InputError(
                f"{partial}: another process is writing this part; wait until it ends, or stop it"
            ) from None
        yield


def _finished_rows(partial: Path, record: Path, rows: int, dim: int, dtype: str, key: dict[str, Any]) -> int:
    if not record.is_file():
        return 0
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
        different = [name for name, value in key.items() if found["key"].get(name) != value]
        done = int(found["rows"])
        array = np.load(partial, mmap_mode="r", allow_pickle=False)
    except (ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        logger.warning("%s is damaged (%s) and ignored: the part is begun anew", partial, error)
        return 0
    if different:
        logger.warning("%s is of other %s and ignored: the part is begun anew", partial, ", ".join(different))
        return 0
    if array.shape != (rows, dim) or array.dtype != np.dtype(dtype) or not 0 <= done <= rows:
        logger.warning("%s is damaged (%s %s) and ignored: the part is begun anew", partial, array.dtype, array.shape)
        return 0
    return done
