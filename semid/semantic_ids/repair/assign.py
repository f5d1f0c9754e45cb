"""Distinct last codes for the items of each prefix: as few moves as possible, at the least added error."""

from collections.abc import Iterator

import numpy as np

from semid.errors import InputError
from semid.progress import Progress
from semid.semantic_ids.repair.distances import CodeDistances
from semid.semantic_ids.repair.groups import Groups, Moves
from semid.semantic_ids.repair.order import OrderedCodes
from semid.semantic_ids.repair.overfull import place_overfull
from semid.semantic_ids.repair.solve import best_codes

NO_PREFIX = "codes of one level have no prefix under which another code would be near: repair them by `suffix` instead"


def assign(items: OrderedCodes, distances: CodeDistances | None) -> Moves:
    """Give all items of a prefix of L − 1 codes distinct last codes.

    An item with a code of its own stays, and one of those that share a code stays. Groups that have room are assigned
    first, each on its own. What the others have no room for goes to other prefixes under the same L − 2 codes, as
    :func:`place_overfull` says. Raises `InputError` for codes of one level.
    """
    if items.codes.shape[1] == 1:
        raise InputError(NO_PREFIX)
    colliding = items.colliding
    places = colliding[~items.pinned[colliding]]
    moves = Moves(
        places,
        items.codes[places, -2:].astype(np.int64),
        np.ones(len(places), bool),
        None if distances is None else np.zeros((len(places), 2)),
    )
    groups = Groups.of(items, places)
    with Progress(len(places), "assigning codes", "items") as progress:
        for block in _blocks(groups, distances.rows_at_once(-1) if distances else len(places)):
            _assign_block(items, groups, block, moves, distances)
            progress.update(int((groups.first_mover[block + 1] - groups.first_mover[block]).sum()))
        place_overfull(items, groups, moves, distances)
    if distances is not None:
        _order_identical(items, moves, distances)
    return moves


def _blocks(groups: Groups, rows_at_once: int) -> Iterator[np.ndarray]:
    """Yield the groups to repair, as many at once as have so many items together, or one that has more."""
    numbers = groups.to_repair
    ends = np.cumsum(groups.first_mover[numbers + 1] - groups.first_mover[numbers])
    start = 0
    while start < len(numbers):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + rows_at_once, side="right")))
        yield numbers[start:stop]
        start = stop


def _assign_block(
    items: OrderedCodes, groups: Groups, block: np.ndarray, moves: Moves, distances: CodeDistances | None
) -> None:
    """Assign the groups of a block, each on its own."""
    ranges = [np.arange(*groups.first_mover[group : group + 2]) for group in block]
    movers = np.concatenate(ranges)
    last = items.codes.shape[1] - 1
    squared = None
    if distances is not None:
        squared = distances.to_level(items.rows[moves.places[movers]], last)
    bucket_codes = items.codes[items.bucket_starts[:-1], last]
    start = 0
    for group, of_group in zip(block, ranges, strict=True):
        buckets = slice(*groups.first_bucket[group : group + 2])
        held = bucket_codes[buckets][~groups.contested[buckets]]
        own = moves.codes[of_group, 1]
        if squared is None:
            is_free = np.ones(items.sizes[-1], bool)
            is_free[bucket_codes[buckets]] = False
            moves.codes[of_group, 1] = smallest_free(own, held, items.id_rank[moves.places[of_group]], is_free)
            continue
        table = squared[start : start + len(of_group)]
        start += len(of_group)
        allowed = table.copy()
        allowed[:, held] = np.inf
        new = best_codes(allowed, own)
        moves.codes[of_group, 1] = new
        assert moves.squared is not None
        each = np.arange(len(of_group))
        moves.squared[of_group] = np.stack([table[each, new], table[each, own]], axis=1)


def smallest_free(own: np.ndarray, held: np.ndarray, id_rank: np.ndarray, is_free: np.ndarray) -> np.ndarray:
    """Return int64 [m]: codes without distances. Of those that share a code the first by id stays.

    The others take the smallest free codes in the order of their ids. own: int64 [m], their codes; held: codes that
    are no item's to keep; is_free: bool [K].
    """
    order = np.argsort(id_rank)
    _, first = np.unique(own[order], return_index=True)
    stays = np.zeros(len(own), bool)
    stays[order[first]] = True
    stays &= ~np.isin(own, held)
    new = own.copy()
    movers = order[~stays[order]]
    new[movers] = np.flatnonzero(is_free)[: len(movers)]
    return new


def _order_identical(items: OrderedCodes, moves: Moves, distances: CodeDistances) -> None:
    """Hand out the codes of items that share code and vector in the order of their ids, the nearest first.

    Such items can be exchanged without another cost. The first keeps the old code, where one of them does.
    """
    assert moves.squared is not None
    old = items.codes[moves.places, -2:]
    alike = distances.identical(items.rows[moves.places])
    bucket = items.bucket_of_item[moves.places]
    by_id = np.lexsort((items.id_rank[moves.places], alike, bucket))
    new, squared = moves.codes, moves.squared[:, 0]
    has_moved = (new != old).any(axis=1)
    leaves = new[:, 0] != old[:, 0]
    by_cost = np.lexsort((new[:, 1], new[:, 0], squared, leaves, has_moved, ~moves.fits, alike, bucket))
    moves.codes[by_id], moves.fits[by_id], moves.squared[by_id] = (
        new[by_cost],
        moves.fits[by_cost],
        moves.squared[by_cost],
    )
