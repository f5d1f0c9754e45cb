"""What a prefix has no code for goes to other prefixes under the same L − 2 codes, nearest first."""

import numpy as np

from semid.semantic_ids.repair.distances import CodeDistances
from semid.semantic_ids.repair.groups import Groups, Moves
from semid.semantic_ids.repair.nearest_first import nearest_first
from semid.semantic_ids.repair.order import OrderedCodes
from semid.semantic_ids.repair.solve import best_codes


def place_overfull(items: OrderedCodes, groups: Groups, moves: Moves, distances: CodeDistances | None) -> None:
    """Place the items of groups that have more items than codes, jointly over all prefixes of the same L − 2 codes.

    The groups with room are assigned already, and what they use is taken. Then, under each L − 2 codes:

    1. Of the items that share a code the nearest to it keeps it; all others move.
    2. These are joined with prefixes that have free codes, their own among them, as :func:`nearest_first` says: by the
       distance of the residual after L − 2 levels to the codeword of the prefix.
    3. Those that a prefix receives get its free codes by one linear assignment.

    Whom no prefix has room for keeps the code that it shares: `moves.fits` says so. Without distances the first by id
    keeps a code, and the others take, in the order of their ids, the smallest free code of their own prefix, or else
    of the lowest prefix that has one.
    """
    numbers = np.flatnonzero(groups.overfull & (np.diff(groups.first_mover) > 0))
    if not len(numbers):
        return
    starts = items.starts(items.codes.shape[1] - 2)
    first_items = items.bucket_starts[groups.first_bucket[numbers]]
    above = np.searchsorted(starts, first_items, side="right") - 1
    for parent in np.unique(above):
        of_parent = numbers[above == parent]
        movers = np.concatenate([np.arange(*groups.first_mover[group : group + 2]) for group in of_parent])
        _place_under(items, groups, moves, distances, (movers, slice(*starts[parent : parent + 2])))


def _place_under(
    items: OrderedCodes,
    groups: Groups,
    moves: Moves,
    distances: CodeDistances | None,
    under: tuple[np.ndarray, slice],
) -> None:
    """Place the movers of overfull groups under one prefix of L − 2 codes, whose items are a range of the order."""
    movers, inside = under
    rows, rank = items.rows[moves.places[movers]], items.id_rank[moves.places[movers]]
    if distances is not None and moves.squared is not None:
        moves.squared[movers] = distances.to_own(rows)[:, None]
        nearness = moves.squared[movers, 1]
    else:
        nearness = np.zeros(len(movers))
    bucket = items.bucket_of_item[moves.places[movers]]
    order = np.lexsort((rank, nearness, bucket))
    is_first = np.append(True, np.diff(bucket[order]) > 0)
    stays = np.zeros(len(movers), bool)
    stays[order[is_first]] = groups.contested[bucket[order[is_first]]]

    is_free = np.ones(items.sizes[-2:], bool)
    is_free[tuple(items.codes[inside, -2:].T.astype(np.int64))] = False
    among = slice(*np.searchsorted(moves.places, [inside.start, inside.stop]))
    is_free[tuple(moves.codes[among].T)] = False
    leaving = movers[~stays]
    if distances is None:
        leaving = leaving[np.argsort(items.id_rank[moves.places[leaving]])]
        prefixes = _lowest_with_room(moves.codes[leaving, 0], is_free.sum(axis=1))
    else:
        leaving_rows = items.rows[moves.places[leaving]]
        level = items.codes.shape[1] - 2
        prefixes = nearest_first(
            is_free.sum(axis=1),
            items.id_rank[moves.places[leaving]],
            lambda some: distances.to_level(leaving_rows[some], level),
            distances.rows_at_once(level),
        )
    moves.fits[leaving] = prefixes >= 0
    for prefix in np.unique(prefixes[prefixes >= 0]):
        received = leaving[prefixes == prefix]
        free = np.flatnonzero(is_free[prefix])
        if distances is None or moves.squared is None:
            moves.codes[received] = np.stack([np.full(len(received), prefix), free[: len(received)]], axis=1)
            continue
        squared = distances.to_last_under(items.rows[moves.places[received]], prefix)[:, free]
        chosen = best_codes(squared)
        moves.codes[received] = np.stack([np.full(len(received), prefix), free[chosen]], axis=1)
        moves.squared[received, 0] = squared[np.arange(len(received)), chosen]


def _lowest_with_room(own: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Return int64 [m]: for each item in turn its own prefix, else the lowest that has room, else −1."""
    room, prefixes = room.copy(), np.full(len(own), -1, np.int64)
    lowest = 0
    for place, prefix in enumerate(own):
        if not room[prefix]:
            while lowest < len(room) and not room[lowest]:
                lowest += 1
            if lowest == len(room):
                break
            prefix = lowest
        room[prefix] -= 1
        prefixes[place] = prefix
    return prefixes
