"""Loops over rows that numba compiles, in as many threads as torch has: for what torch does in several passes.

Without numba, which the extra `fast` brings, torch does the work.
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

_PARTS_A_THREAD = 4


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
