"""The tree of the codes of a catalogue, as the page opens it: which codes there are, and what is below each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from semid.retrieval.inverted import InvertedIndex

# Of so many levels from the first on all codes of two items and more are on the page, if they are at most so many.
WHOLE_LEVELS, MOST_WHOLE = 2, 1 << 16
DIGITS = 4


@dataclass(frozen=True, eq=False)
class DescribedCatalogue:
    """What is known of n items beside their codes.

    category: int64 [n], the number of the narrowest category of an item, -1 without one; shown: int64 [m], ascending,
    the rows of the items that are on the page by name; error: float32 [n], what decoding loses of each, or None.
    """

    category: np.ndarray
    shown: np.ndarray
    error: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Level:
    """The nodes of one depth that have two items or more: prefixes of codes, in lexicographic order.

    starts, stops: int64 [nodes], where their items stand in the order of codes; codes: [nodes], the last code of the
    prefix; children: int64 [nodes], how many codes of the next depth are below, 0 at the last; parents: int64 [nodes],
    the node of the depth before among those that are kept, -1 at the first depth.
    """

    starts: np.ndarray
    stops: np.ndarray
    codes: np.ndarray
    children: np.ndarray
    parents: np.ndarray


def code_tree(codes: np.ndarray, catalogue: DescribedCatalogue) -> dict[str, Any]:
    """Return the tree of `codes [n, L]` as the page reads it.

    `levels`: for each depth the columns of its nodes: `parent`, `code`, `size`, `children`, `error` (the mean, where it
    is known), `category` (the commonest, -1 for none) and `share`, how much of the items it has. Sizes, errors and
    categories are those of all items. Nodes are prefixes of two items or more: of the first two levels all, unless they
    are more than 65,536, and of the others, and then of these, those that have a shown item. `paths`: the codes of the
    shown items; `errors`: theirs.
    """
    index = InvertedIndex.build(codes)
    category = catalogue.category[index.items]
    error = None if catalogue.error is None else catalogue.error[index.items]
    shown = catalogue.shown
    tree: dict[str, Any] = {
        "levels": [
            {
                "parent": level.parents.tolist(),
                "code": level.codes.tolist(),
                "size": (level.stops - level.starts).tolist(),
                "children": level.children.tolist(),
                **({} if error is None else {"error": _rounded(_means(error, level))}),
                **_commonest(category, level),
            }
            for level in _levels(index, shown)
        ],
        "paths": codes[shown].tolist(),
    }
    if catalogue.error is not None:
        tree["errors"] = _rounded(catalogue.error[shown])
    return tree


def _levels(index: InvertedIndex, shown: np.ndarray) -> Iterator[Level]:
    """Yield the nodes of each depth that are kept, with those above them."""
    bounds = [index.offsets[groups.offsets] for groups in index.prefix_groups]
    places = np.sort(index.position_of_item[shown])
    kept = [_kept(limits, places, depth) for depth, limits in enumerate(bounds, start=1)]
    for depth in range(len(bounds) - 1, 0, -1):
        above = np.searchsorted(bounds[depth - 1], bounds[depth][:-1][kept[depth]], side="right") - 1
        kept[depth - 1][above] = True
    for depth, limits in enumerate(bounds):
        starts, stops = limits[:-1][kept[depth]], limits[1:][kept[depth]]
        first_buckets = index.prefix_groups[depth].offsets[:-1][kept[depth]]
        parents = np.full(len(starts), -1)
        if depth:
            starts_above = bounds[depth - 1][:-1][kept[depth - 1]]
            parents = np.searchsorted(starts_above, starts, side="right") - 1
        children = np.zeros(len(starts), np.int64)
        if depth + 1 < len(bounds):
            below = bounds[depth + 1]
            children = np.searchsorted(below, stops) - np.searchsorted(below, starts)
        yield Level(starts, stops, index.codes[first_buckets, depth], children, parents)


def _kept(limits: np.ndarray, places: np.ndarray, depth: int) -> np.ndarray:
    """Return bool [nodes]: which nodes of a depth are kept; `places` are those of the shown items, ascending."""
    has_several = np.diff(limits) > 1
    if depth <= WHOLE_LEVELS and np.count_nonzero(has_several) <= MOST_WHOLE:
        return has_several
    return has_several & (np.diff(np.searchsorted(places, limits)) > 0)


def _means(values: np.ndarray, level: Level) -> np.ndarray:
    """Return float64 [nodes]: the mean of `values [n]`, which are in the order of codes, over each node."""
    sums = np.concatenate([np.zeros(1), np.cumsum(values, dtype=np.float64)])
    return (sums[level.stops] - sums[level.starts]) / (level.stops - level.starts)


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values.tolist()]


def _commonest(category: np.ndarray, level: Level) -> dict[str, list[Any]]:
    """Return the commonest category of each node, and its share; of equally common ones the first by number."""
    sizes = level.stops - level.starts
    commonest, share = np.full(len(sizes), -1), np.zeros(len(sizes))
    # items of the nodes, node after node: the nodes of a depth do not overlap, and ascend
    owner = np.repeat(np.arange(len(sizes)), sizes)
    offset = np.repeat(level.starts - (np.cumsum(sizes) - sizes), sizes)
    of_item = category[np.arange(len(owner)) + offset]
    known = of_item >= 0
    number = int(category.max(initial=0)) + 1
    pairs, counts = np.unique(owner[known] * number + of_item[known], return_counts=True)
    order = np.lexsort((pairs, -counts, pairs // number))
    nodes, first = np.unique(pairs[order] // number, return_index=True)
    commonest[nodes] = pairs[order][first] % number
    share[nodes] = counts[order][first] / sizes[nodes]
    return {"category": commonest.tolist(), "share": [round(value, 3) for value in share.tolist()]}
