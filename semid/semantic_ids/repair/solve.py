"""One linear assignment: items to codes, as few moves as possible and then the least error."""

import numpy as np
from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]

# Squared distances are whole numbers of so many bits, so that sums of them, and of moves, are exact in float64.
COST_BITS = 20


def quantised_costs(squared: np.ndarray) -> np.ndarray:
    """Return whole numbers of at most 2^20, float64: squared distances scaled by the largest of them that is finite.

    Infinity, which forbids a code, stays.
    """
    largest = float(squared.max(initial=0.0, where=np.isfinite(squared)))
    return np.rint(squared * ((1 << COST_BITS) / largest)) if largest > 0 else squared.copy()


def best_codes(squared: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
    """Return int64 [m]: a code for each of m items, no two the same, by one linear assignment.

    squared: float64 [m, K], the squared distance of every item to every code; infinity forbids a code. own: int64 [m],
    the code that an item has: to keep it costs its distance, and any other costs M more, where M = m · 2^20 + 1 is more
    than all distances together. So as few items as possible move, and among such assignments the cost is the least.
    Without `own` every item moves. Raises `ValueError` when the items do not fit into the codes.
    """
    m = len(squared)
    # sums of costs are exact: they are whole numbers below 2^53
    if m * m << COST_BITS >= 1 << 53:
        raise ValueError(f"{m} items in one assignment are more than float64 can add up")
    costs = quantised_costs(squared)
    if own is not None:
        move = (m << COST_BITS) + 1
        costs += move
        costs[np.arange(m), own] -= move
    items, codes = linear_sum_assignment(costs)
    return codes[np.argsort(items)].astype(np.int64)
