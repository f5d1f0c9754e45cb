"""The last level of IDs that would be shared without it: 0, 1, 2, … among the items of one code."""

import numpy as np


def suffixes(codes: np.ndarray, order: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Return int64 [n]: a number for every item, so that no two items of one code have the same.

    codes: integers [n, L]; order: int64 [n], a number an item, of which no two are equal: among the items of one code
    the lower comes first, and takes the smallest number that is left. given: int64 [n], the number that an item has
    already, or −1; such items keep it, even where two of them have the same.
    """
    by_code = np.lexsort((order, *codes.T[::-1]))
    ordered = codes[by_code]
    is_start = np.append(True, (ordered[1:] != ordered[:-1]).any(axis=1))[: len(codes)]
    starts = np.flatnonzero(is_start)
    lengths = np.diff(np.append(starts, len(codes)))
    numbers = np.empty(len(codes), np.int64)
    numbers[by_code] = np.arange(len(codes)) - np.repeat(starts, lengths)
    fixed = given[by_code] >= 0
    # few items are given a number, and most of them have a code of their own
    for bucket in np.unique(np.searchsorted(starts, np.flatnonzero(fixed), side="right") - 1):
        members = by_code[starts[bucket] : starts[bucket] + lengths[bucket]]
        is_given = given[members] >= 0
        numbers[members[is_given]] = given[members[is_given]]
        left = np.setdiff1d(np.arange(len(members) + 1), given[members[is_given]])
        rest = members[~is_given]
        numbers[rest] = left[: len(rest)]
    return numbers
