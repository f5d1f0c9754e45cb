"""Loops that numba compiles, for what torch does in several passes over memory; without numba torch does them.

Both ways add and compare the same float32 values in the same order, so that the codes are the same, but for the choice
of a beam among sums that are exactly equal. Products on which codes hang are added in float64, in an order of the
compiler's.
"""

import numpy as np
import torch
from torch import Tensor

from semid import loops

# compiling takes as long as torch takes for so many multiplications
_PRODUCTS_BEFORE = 1 << 27
# columns that are looked through one by one where one of them is small enough
_COLUMNS = 32


class _Products:
    """How many multiplications of pairs torch has done in this process."""

    done = 0


def count_products(num_products: int) -> None:
    """Count multiplications of pairs that torch does."""
    _Products.done += num_products


def pays_off(device: torch.device) -> bool:
    """Whether to multiply pairs on a device by a compiled loop: after a hundred million of them, which torch has done.

    Only what gives the same in both ways may ask: what was done before is no input.
    """
    return _Products.done > _PRODUCTS_BEFORE and runs_on(device)


def runs_on(device: torch.device) -> bool:
    """Whether there are compiled loops for a device."""
    return device.type == "cpu" and loops.has_numba()


def smallest_sums(
    errors: Tensor, scores: Tensor, entries: Tensor, table: Tensor, count: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the `count` smallest errors[:, b] + scores[:, b, k] + Σ_j table[entries[:, b, j], k], and their b and k.

    errors: float32 [n, B]; scores: float32 [n, B, K], or [n, 1, K] where all b have the same; entries: int64 [n, B, l];
    table: float32 [rows, K]. The results are [n, count], ascending; of equal sums the first b, then k, comes first.
    """
    n, width = errors.shape
    count = min(count, width * scores.shape[2])
    sums = scores.new_empty(n, count)
    parents, codes = (scores.new_empty(n, count, dtype=torch.int64) for _ in range(2))
    loops.in_threads(loops.compile_loop(_smallest_sums), n, (errors, scores, entries, sums, parents, codes), (table,))
    return sums, parents, codes


def nearest_by_bounds(
    rows: Tensor, bounds: Tensor, minima: Tensor, rounding: Tensor, codebook: Tensor, norms: Tensor
) -> tuple[Tensor, int]:
    """Return the codes int64 [n] of the lowest scores norms[c] − 2⟨x, c⟩ of rows [n, d]; of equal scores the lowest.

    `bounds` [n, K'] are lower bounds of the scores, of which a score may lie below by `rounding` [n], and `minima`
    [n, groups] the least of each group of them. norms: float64 [K]. Products of float32 are added in float64, which
    hides the order of the additions. Also returns how many scores were computed.
    """
    n = len(rows)
    codes, pairs = (torch.empty(n, dtype=torch.int64) for _ in range(2))
    loops.in_threads(
        loops.compile_loop(_nearest_by_bounds, "reassoc"),
        n,
        (rows, bounds, minima, rounding, codes, pairs),
        (codebook, norms),
    )
    return codes, int(pairs.sum())


def _smallest_sums(
    errors: np.ndarray,
    scores: np.ndarray,
    entries: np.ndarray,
    sums: np.ndarray,
    parents: np.ndarray,
    codes: np.ndarray,
    table: np.ndarray,
) -> None:
    n, width = errors.shape
    k, count, num_entries, is_shared = scores.shape[2], sums.shape[1], entries.shape[2], scores.shape[1] == 1
    of_parent = np.empty(k, np.float32)
    for row in range(n):
        kept = 0
        limit = np.float32(np.inf)
        for parent in range(width):
            error = errors[row, parent]
            own = scores[row, 0 if is_shared else parent]
            if num_entries:
                first = table[entries[row, parent, 0]]
                for code in range(k):
                    of_parent[code] = first[code]
                for entry in range(1, num_entries):
                    further = table[entries[row, parent, entry]]
                    for code in range(k):
                        of_parent[code] += further[code]
                for code in range(k):
                    of_parent[code] = (of_parent[code] + own[code]) + error
            else:
                for code in range(k):
                    of_parent[code] = own[code] + error
            for start in range(0, k, _COLUMNS):
                stop = min(start + _COLUMNS, k)
                lower = 0
                for code in range(start, stop):
                    lower += of_parent[code] < limit
                if lower == 0 and kept == count:
                    continue
                for code in range(start, stop):
                    value = of_parent[code]
                    if kept == count and value >= limit:
                        continue
                    if kept < count:
                        kept += 1
                    place = kept - 1
                    while place > 0 and sums[row, place - 1] > value:
                        sums[row, place] = sums[row, place - 1]
                        parents[row, place] = parents[row, place - 1]
                        codes[row, place] = codes[row, place - 1]
                        place -= 1
                    sums[row, place], parents[row, place], codes[row, place] = value, parent, code
                    if kept == count:
                        limit = sums[row, count - 1]


def _nearest_by_bounds(
    rows: np.ndarray,
    bounds: np.ndarray,
    minima: np.ndarray,
    rounding: np.ndarray,
    codes: np.ndarray,
    pairs: np.ndarray,
    codebook: np.ndarray,
    norms: np.ndarray,
) -> None:
    n, groups = minima.shape
    size = bounds.shape[1] // groups
    for place in range(n):
        row, least = rows[place], minima[place]
        group = 0
        for other in range(1, groups):
            if least[other] < least[group]:
                group = other
        code = group * size
        for candidate in range(group * size, min((group + 1) * size, len(norms))):
            if bounds[place, candidate] < bounds[place, code]:
                code = candidate
        codeword, total = codebook[code], np.float64(0)
        for column in range(len(row)):
            total += np.float64(row[column] * codeword[column])
        best = norms[code] - 2 * total
        first, compared = code, 1
        for group in range(groups):
            if least[group] > best + rounding[place]:
                continue
            for candidate in range(group * size, min((group + 1) * size, len(norms))):
                if bounds[place, candidate] > best + rounding[place] or candidate == first:
                    continue
                codeword, total = codebook[candidate], np.float64(0)
                for column in range(len(row)):
                    total += np.float64(row[column] * codeword[column])
                score = norms[candidate] - 2 * total
                compared += 1
                if score < best or (score == best and candidate < code):
                    best, code = score, candidate
        codes[place], pairs[place] = code, compared
