"""Seconds that pairs of queries and items of a large catalogue take, by torch and faiss too: `python -m bench.scoring`.

Each query is compared with candidates that lie anywhere in the catalogue, ascending, as those of a category or of a
code do. The vectors are files of float16 that are mapped, and for faiss the same unit vectors as float32 in memory.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import faiss
import numpy as np
import torch

from bench import machine
from semid.embeddings.store import Vectors, create_array
from semid.retrieval import PairScorer, dense

FILLED_AT_ONCE = 1 << 16


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scoring", description="Time the scoring of pairs.")
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--candidates", type=int, default=9_000, help="of a query")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=machine.cores())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    faiss.omp_set_num_threads(arguments.threads)
    print("\n".join(machine.describe(arguments.threads)))
    with tempfile.TemporaryDirectory() as folder:
        vectors = random_vectors(Path(folder) / "vectors.npy", arguments.items, arguments.dim)
        ways = scorings(vectors, arguments.queries, arguments.candidates)
        first = {name: score() for name, score in ways.items()}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(arguments.repeats):
            for name, score in ways.items():
                started = time.perf_counter()
                score()
                seconds[name].append(time.perf_counter() - started)
    pairs = arguments.queries * arguments.candidates
    ours, exact = statistics.median(seconds["semid"]), first["semid"]
    print(f"{pairs:,} pairs of {arguments.items:,} items x {arguments.dim}, medians of {arguments.repeats}")
    for name, taken in seconds.items():
        median = statistics.median(taken)
        difference = float(np.abs(first[name] - exact).max())
        print(f"{name}: {median:.3f} s, {ours / median:.2f} of its time by semid, apart by {difference:.0e} at most")


def random_vectors(path: Path, items: int, dim: int) -> np.ndarray:
    """Write unit vectors float16 [items, dim] to a file, and map it."""
    random = np.random.default_rng(0)
    written = create_array(path, items, dim, "float16")
    for start in range(0, items, FILLED_AT_ONCE):
        rows = random.standard_normal((min(FILLED_AT_ONCE, items - start), dim), np.float32)
        written[start : start + len(rows)] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    written.flush()
    return np.load(path, mmap_mode="r")


def scorings(vectors: np.ndarray, queries: int, candidates: int) -> dict[str, Callable[[], np.ndarray]]:
    """What scores the same pairs, by name; each returns float32 [queries * candidates]."""
    random = np.random.default_rng(1)
    drawn = np.stack([np.sort(random.choice(len(vectors), candidates, replace=False)) for _ in range(queries)])
    owner, items = np.repeat(np.arange(queries), candidates), drawn.ravel()
    query = dense.unit_rows(torch.from_numpy(random.standard_normal((queries, vectors.shape[1]), np.float32)))
    in_memory = dense.read_float_rows(vectors, np.arange(len(vectors)), normalize=True)
    scores = np.empty(drawn.shape, np.float32)

    def by_faiss() -> np.ndarray:
        pointers = [faiss.swig_ptr(array) for array in (scores, query.numpy(), in_memory, drawn)]
        faiss.fvec_inner_products_by_idx(*pointers, vectors.shape[1], queries, candidates)
        return scores.ravel().copy()

    ours = {
        name: partial(scorer_of(vectors, compiled).score_pairs, query, owner, items)
        for name, compiled in (("semid", True), ("semid, as small catalogues", False))
    }
    return {**ours, "faiss, float32 in memory": by_faiss}


def scorer_of(vectors: Vectors, compiled: bool) -> PairScorer:
    """A scorer of unit vectors that is, or is not, that of a large catalogue."""
    scorer = PairScorer(vectors, np.arange(vectors.shape[0]), normalize=True)
    scorer.is_compiled = compiled
    return scorer


if __name__ == "__main__":
    main()
