"""What a repair says of itself: counts for all items, and a row for each item whose ID is another."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semid.files import whole_file, write_json
from semid.naming import RepairMode
from semid.semantic_ids.codes import code_strings

# why an item has another ID: it shared its ID; it shared its ID and its vector; its prefix had no code left; there was
# no code left under its L − 2 codes, so that it has a suffix
REASONS = ("collision", "identical", "prefix full", "no room")
COLLISION, IDENTICAL, PREFIX_FULL, NO_ROOM = range(len(REASONS))


@dataclass(frozen=True)
class RepairReport:
    """The counts of a repair; its fields are the keys of `repair.json`.

    num_levels: of the repaired IDs. items_sharing, ids_shared: items that share their ID with another item, and the IDs
    that they share, before and after. known_minimum: the items that must get another ID at least, which are all that
    share one less the IDs that they share. irreducible: how many of these have the vector of another item with the same
    ID, which no tokenizer could separate; None without vectors. moved: items with another code, some of them to another
    prefix; suffixed: items with a suffix other than 0. suffix_size: the codes of the suffix, 0 without one.
    mean_added_error: by how much the squared distance of a moved item to its codewords grows; None without vectors.
    """

    mode: RepairMode
    items: int
    num_levels: int
    pinned: int
    items_sharing_before: int
    ids_shared_before: int
    items_sharing_after: int
    ids_shared_after: int
    known_minimum: int
    irreducible: int | None
    moved: int
    moved_to_other_prefix: int
    suffixed: int
    suffix_size: int
    mean_added_error: float | None


@dataclass(frozen=True, eq=False)
class Changes:
    """The items with another ID, m of them, in the order of their ids.

    rows: int64 [m], the rows of the items; old, new: integers [m, L] and [m, L] or [m, L + 1], their codes;
    added_error: float64 [m], or None without vectors; reasons: int64 [m], places in `REASONS`.
    """

    rows: np.ndarray
    old: np.ndarray
    new: np.ndarray
    added_error: np.ndarray | None
    reasons: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def table(self, item_ids: pa.Array) -> pa.Table:
        """Return the rows of `repair.parquet`; `item_ids` are those of all items."""
        m = len(self)
        added = pa.array(self.added_error) if self.added_error is not None else pa.nulls(m, pa.float64())
        columns = {
            "item_id": item_ids.take(pa.array(self.rows)).cast(pa.string()),
            "old_code": code_strings(self.old),
            "new_code": code_strings(self.new),
            "added_error": added,
            "reason": pa.array(np.array(REASONS)[self.reasons], pa.string()),
        }
        return pa.table(columns)


@dataclass(frozen=True, eq=False)
class Repair:
    """Repaired codes, integers [n, L], or [n, L + 1] where IDs have a suffix, in the order of the items given.

    sizes: the codebook size of every level, that of the suffix included; a suffix decodes to nothing.
    """

    codes: np.ndarray
    sizes: tuple[int, ...]
    changes: Changes
    report: RepairReport

    def write(self, item_ids: pa.Array, table: str | Path, report: str | Path) -> None:
        """Write the rows of the changes as parquet, and the counts as JSON."""
        with whole_file(table) as temporary:
            pq.write_table(self.changes.table(item_ids), temporary)
        write_json(report, asdict(self.report))

    def sentences(self) -> Iterator[str]:
        """Yield what a log should say."""
        report = self.report
        yield (
            f"{report.items_sharing_before:,} of {report.items:,} items shared an ID "
            f"({report.ids_shared_before:,} such IDs); {report.moved:,} items have another code "
            f"and {report.suffixed:,} a suffix, "
            f"{report.known_minimum:,} at least had to change"
        )
        if report.items_sharing_after:
            yield f"{report.items_sharing_after:,} pinned items still share {report.ids_shared_after:,} IDs"
