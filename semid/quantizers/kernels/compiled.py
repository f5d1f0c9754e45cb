"""Loops that numba compiles, for what torch does in several passes over memory; without numba torch does them.

Both ways add and compare the same float32 values in the same order, so that the codes are the same, but for the choice
of a beam among sums that are exactly equal. :func:`products_of_pairs` alone adds in an order of its own.
"""

import importlib
import importlib.util
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

logger = logging.getLogger(__name__)

# compiling takes as long as torch takes for so many scores
_SCORES_BEFORE = 1 << 30
# columns that are looked through one by one where one of them is small enough
_COLUMNS = 32


class _Scores:
    """How many scores were looked through in this process."""

    done = 0


def pays_off(device: torch.device, num_scores: int = 0) -> bool:
    """Whether to look through scores on a device by a compiled loop: after a billion of them, which torch has done.

    Only what gives the same bits in both ways, equal scores included, may ask: what was done before is no input.
    """
    _Scores.done += num_scores
    return _Scores.done > _SCORES_BEFORE and runs_on(device)


def runs_on(device: torch.device) -> bool:
    """Whether there are compiled loops for a device."""
    return device.type == "cpu" and has_numba()


@cache
def has_numba() -> bool:
    """Whether numba, which the extra `fast` brings, is installed and compiles.

    It refuses a numpy that is newer than it knows, and its NUMBA_DISABLE_JIT would leave the loops to Python.
    """
    if importlib.util.find_spec("numba") is None:
        return False
    try:
        config: Any = importlib.import_module("numba").config
    except Exception as error:  # whatever an installation that does not fit raises
        logger.warning("numba cannot be imported, so that torch does its work: %s", error)
        return False
    return not config.DISABLE_JIT


def lowest(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return the lowest of each row of scores float32 [n, K] and the first column that holds it, int64 [n]."""
    n = len(scores)
    values, columns = scores.new_empty(n), scores.new_empty(n, dtype=torch.int64)
    _in_threads(_compiled("_lowest"), n, (scores, values, columns))
    return values, columns


def subtract_codewords(residuals: Tensor, codebook: Tensor, codes: Tensor) -> None:
    """Subtract from each of the rows [n, d] the codeword, of a codebook [K, d], that its code, int64 [n], names."""
    _in_threads(_compiled("_subtract"), len(residuals), (residuals, codes), (codebook,))


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
    _in_threads(_compiled("_smallest_sums"), n, (errors, scores, entries, sums, parents, codes), (table,))
    return sums, parents, codes


def products_of_pairs(left: Tensor, right: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return ⟨left[r], right[c]⟩ float32 [pairs] of the pairs that rows and columns, int64 [pairs] each, name.

    left: float32 [n, d]; right: float32 [K, d]. Nothing is gathered. The order of the additions is the compiler's.
    """
    values = left.new_empty(len(rows))
    _in_threads(_compiled("_products_of_pairs"), len(rows), (rows, columns, values), (left, right))
    return values


def _in_threads(loop: Callable[..., None], n: int, by_row: tuple[Tensor, ...], shared: tuple[Tensor, ...] = ()) -> None:
    """Call a loop for as many parts of n rows as torch has threads; `by_row` are cut, `shared` are given to each."""
    threads = torch.get_num_threads()
    arrays, whole = [tensor.numpy() for tensor in by_row], [tensor.numpy() for tensor in shared]
    cuts = [n * part // threads for part in range(threads + 1)]
    parts = [[*(array[start:stop] for array in arrays), *whole] for start, stop in pairwise(cuts) if start < stop]
    if len(parts) == 1:
        loop(*parts[0])
        return
    pool, running = _pool(threads), []
    for part in parts:
        try:
            running.append(pool.submit(loop, *part))
        except RuntimeError:
            # the interpreter shuts down, and starts no more threads
            loop(*part)
    for done in running:
        done.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="semid")


# a process that is forked has the pool, but none of its threads
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)


@cache
def _compiled(name: str) -> Any:
    """Compile a loop of this module, which takes a second, and is not kept on disk, where numba would pickle it."""
    from numba import njit

    return njit(nogil=True, fastmath=_ADDS_IN_ANY_ORDER if name in _SUMS else False)(_LOOPS[name])


def _lowest(scores: np.ndarray, values: np.ndarray, columns: np.ndarray) -> None:
    n, k = scores.shape
    for row in range(n):
        best, column = scores[row, 0], 0
        for start in range(0, k, _COLUMNS):
            stop = min(start + _COLUMNS, k)
            lower = 0
            for place in range(start, stop):
                lower += scores[row, place] < best
            if lower:
                for place in range(start, stop):
                    if scores[row, place] < best:
                        best, column = scores[row, place], place
        values[row], columns[row] = best, column


def _subtract(residuals: np.ndarray, codes: np.ndarray, codebook: np.ndarray) -> None:
    n, dim = residuals.shape
    for row in range(n):
        code = codes[row]
        for place in range(dim):
            residuals[row, place] -= codebook[code, place]


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


def _products_of_pairs(
    rows: np.ndarray, columns: np.ndarray, values: np.ndarray, left: np.ndarray, right: np.ndarray
) -> None:
    for pair in range(len(rows)):
        row, column, total = rows[pair], columns[pair], np.float32(0)
        for place in range(left.shape[1]):
            total += left[row, place] * right[column, place]
        values[pair] = total


_LOOPS = {loop.__name__: loop for loop in (_lowest, _subtract, _smallest_sums, _products_of_pairs)}
# loops whose sums may be added in any order, so that several values are added at once
_SUMS = ("_products_of_pairs",)
_ADDS_IN_ANY_ORDER = {"reassoc", "contract"}
