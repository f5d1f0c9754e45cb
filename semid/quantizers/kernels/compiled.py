"""Loops that numba compiles, for what torch does in several passes over memory; without numba torch does them.

Both ways add and compare the same float32 values in the same order, so that the codes are the same, but for the choice
of a beam among sums that are exactly equal. Products of pairs are added in an order of the compiler's: where codes hang
on them, in float64.
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

Array = Tensor | np.ndarray

logger = logging.getLogger(__name__)

# compiling takes as long as torch takes for so many multiplications
_PRODUCTS_BEFORE = 1 << 27
_PARTS_A_THREAD = 4
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
    in_threads(compile_loop(_smallest_sums), n, (errors, scores, entries, sums, parents, codes), (table,))
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
    in_threads(
        compile_loop(_nearest_by_bounds, "reassoc"),
        n,
        (rows, bounds, minima, rounding, codes, pairs),
        (codebook, norms),
    )
    return codes, int(pairs.sum())


def in_threads(loop: Callable[..., None], n: int, by_row: tuple[Array, ...], shared: tuple[Array, ...] = ()) -> None:
    """Call a loop for parts of n rows in as many threads as torch has; `by_row` are cut, `shared` are given to each.

    There are more parts than threads, because those of torch hold their cores for a while after they ended.
    """
    threads = torch.get_num_threads()
    arrays, whole = [np.asarray(array) for array in by_row], [np.asarray(array) for array in shared]
    count = threads * (_PARTS_A_THREAD if threads > 1 else 1)
    cuts = [n * part // count for part in range(count + 1)]
    parts = iter([[*(array[start:stop] for array in arrays), *whole] for start, stop in pairwise(cuts) if start < stop])

    def take_parts() -> None:
        # the iterator of a list is advanced by one thread at a time
        for part in parts:
            loop(*part)

    running = []
    for _ in range(min(threads, n) - 1):
        try:
            running.append(_pool(threads).submit(take_parts))
        except RuntimeError:
            break  # the interpreter shuts down, and starts no more threads
    take_parts()
    for done in running:
        done.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="semid")


# a process that is forked has the pool, but none of its threads
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)


@cache
def compile_loop(loop: Callable[..., None], *fastmath: str) -> Any:
    """Compile a loop, which takes a second, and is not kept on disk, where numba would pickle it.

    fastmath: what the compiler may do to sums; with "reassoc" it adds several values at once, in any order.
    """
    from numba import njit

    return njit(nogil=True, fastmath=set(fastmath))(loop)


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
