"""One item an ID: codes that items share come in, repaired codes and what changed go out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from semid.errors import InputError
from semid.naming import REPAIRS, RepairMode
from semid.quantizers import Decoder
from semid.semantic_ids.codes import bucket_sizes
from semid.semantic_ids.repair.assign import assign
from semid.semantic_ids.repair.distances import CodeDistances
from semid.semantic_ids.repair.groups import Moves
from semid.semantic_ids.repair.order import OrderedCodes
from semid.semantic_ids.repair.report import (
    COLLISION,
    IDENTICAL,
    NO_ROOM,
    PREFIX_FULL,
    Changes,
    Repair,
    RepairReport,
)
from semid.semantic_ids.repair.suffix import suffixes


@dataclass(frozen=True, eq=False)
class PinnedCodes:
    """IDs that are given out already and stay: `rows` int64 [p] of the items, and their codes, integers [p, L].

    Where these IDs have a suffix, `codes` are [p, L + 1].
    """

    rows: np.ndarray
    codes: np.ndarray


def repair_codes(
    codes: np.ndarray,
    sizes: Sequence[int],
    item_ids: Any,
    mode: RepairMode = "assign",
    measured: tuple[Decoder, Any] | None = None,
    pinned: PinnedCodes | None = None,
) -> Repair:
    """Return codes of n items of which no two have the same, if there is room.

    codes: integers [n, L]; sizes: the codebook sizes; item_ids: n strings. `mode` "assign" gives items that share a
    code other last codes, at the least added error: `measured` holds the tokenizer whose codes these are and the
    vectors [n, dim] of the items, read by rows. Without it codes are handed out in order. "suffix" adds a level.
    `pinned` IDs stay as they are.

    The result is the same for any order of the items. Raises `InputError` for an id that is there twice, for other
    modes, for codes outside their codebooks, and where codes of one level should be assigned.
    """
    if mode not in REPAIRS:
        raise InputError(f"repair must be one of {', '.join(REPAIRS)}, got {mode!r}")
    base, given = _with_pinned(codes, pinned)
    if base.shape[1] != len(sizes) or (base >= np.array(sizes)).any() or (base < 0).any():
        raise InputError(f"codes [n, {base.shape[1]}] do not fit into codebooks of {', '.join(map(str, sizes))}")
    if len(item_ids) != len(base):
        raise InputError(f"{len(base)} codes, but {len(item_ids)} ids: expected one for each item")
    items = OrderedCodes.of(base, sizes, item_ids, given >= 0)
    distances = CodeDistances(*measured, base) if measured else None
    moves = assign(items, distances) if mode == "assign" else None
    new = items.codes.copy()
    # of items that share a code in the end those come first that no other has a claim to
    fits = np.ones(len(items), bool)
    if moves is not None:
        new[moves.places, -2:] = moves.codes
        fits[moves.places] = moves.fits
    if mode == "suffix" or not fits.all() or (given > 0).any():
        numbers = suffixes(new, items.id_rank + np.where(fits, 0, len(items)), given[items.rows])
        new = np.column_stack([new, numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))))])
    twins = _identical(items, distances) if distances else np.empty(0, np.int64)
    changes = _changes(items, mode, new, _added_errors(items, moves), twins)
    repaired = np.empty_like(new)
    repaired[items.rows] = new
    report = _report(items, mode, repaired, changes, len(twins) if distances else None)
    suffix_sizes = (report.suffix_size,) if report.suffix_size else ()
    return Repair(repaired, (*items.sizes, *suffix_sizes), changes, report)


def _added_errors(items: OrderedCodes, moves: Moves | None) -> np.ndarray | None:
    """Return float64 [n]: by how much the error of each item grows; None where it was not measured."""
    if moves is None:
        # a suffix decodes to nothing
        return np.zeros(len(items))
    if moves.squared is None:
        return None
    added = np.zeros(len(items))
    added[moves.places] = moves.squared[:, 0] - moves.squared[:, 1]
    return added


def _with_pinned(codes: np.ndarray, pinned: PinnedCodes | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes with those that are pinned, and int64 [n]: the suffix that is given to an item, or −1."""
    given = np.full(len(codes), -1, np.int64)
    if pinned is None or not len(pinned.rows):
        return codes, given
    levels = codes.shape[1]
    if pinned.codes.shape[1] not in (levels, levels + 1):
        raise InputError(
            f"pinned IDs have {pinned.codes.shape[1]} codes, and the items {levels}: they are of another tokenizer"
        )
    dtype = np.promote_types(codes.dtype, pinned.codes.dtype)
    codes = codes.astype(dtype)
    codes[pinned.rows] = pinned.codes[:, :levels]
    given[pinned.rows] = pinned.codes[:, levels] if pinned.codes.shape[1] > levels else 0
    return codes, given


def _changes(
    items: OrderedCodes, mode: RepairMode, new: np.ndarray, added: np.ndarray | None, twins: np.ndarray
) -> Changes:
    """Return what changed: the `new` codes and the `added` errors are in the order of `items`."""
    old = items.codes
    num_levels = old.shape[1]
    reasons = np.full(len(items), COLLISION)
    reasons[twins] = IDENTICAL
    reasons[(new[:, : num_levels - 1] != old[:, :-1]).any(axis=1)] = PREFIX_FULL
    is_suffixed = (new[:, num_levels:] > 0).any(axis=1) & ~items.pinned
    if mode == "assign":
        reasons[is_suffixed] = NO_ROOM
    changed = np.flatnonzero((new[:, :num_levels] != old).any(axis=1) | is_suffixed)
    changed = changed[np.argsort(items.id_rank[changed])]
    of_changed = None if added is None else added[changed]
    return Changes(items.rows[changed], old[changed], new[changed], of_changed, reasons[changed])


def _report(
    items: OrderedCodes, mode: RepairMode, repaired: np.ndarray, changes: Changes, irreducible: int | None
) -> RepairReport:
    """Return the counts of a repair; `repaired` are the codes in any order."""
    num_levels = items.codes.shape[1]
    has_suffix = repaired.shape[1] > num_levels
    has_moved = (changes.new[:, :num_levels] != changes.old).any(axis=1)
    leaves = (changes.new[:, : num_levels - 1] != changes.old[:, :-1]).any(axis=1)
    after = bucket_sizes(repaired)
    mean_added_error: float | None = None
    if changes.added_error is not None:
        mean_added_error = float(changes.added_error[has_moved].mean()) if has_moved.any() else 0.0
    return RepairReport(
        mode=mode,
        items=len(items),
        num_levels=repaired.shape[1],
        pinned=int(items.pinned.sum()),
        items_sharing_before=len(items.colliding),
        ids_shared_before=int((items.bucket_sizes > 1).sum()),
        items_sharing_after=int(after[after > 1].sum()),
        ids_shared_after=int((after > 1).sum()),
        known_minimum=len(items) - len(items.bucket_sizes),
        irreducible=irreducible,
        moved=int(has_moved.sum()),
        moved_to_other_prefix=int(leaves.sum()),
        suffixed=int((changes.new[:, num_levels:] > 0).any(axis=1).sum()),
        suffix_size=int(repaired[:, -1].max(initial=0)) + 1 if has_suffix else 0,
        mean_added_error=mean_added_error,
    )


def _identical(items: OrderedCodes, distances: CodeDistances) -> np.ndarray:
    """Return int64: the places of items that have the code and the vector of an item that is pinned, or before them."""
    colliding = items.colliding
    alike = distances.identical(items.rows[colliding])
    bucket = items.bucket_of_item[colliding]
    order = np.lexsort((items.id_rank[colliding], ~items.pinned[colliding], alike, bucket))
    follows = (np.diff(alike[order]) == 0) & (np.diff(bucket[order]) == 0)
    return colliding[order[1:][follows]]
