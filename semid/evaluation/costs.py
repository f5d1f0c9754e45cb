"""What a query costs: each ranking is timed alone, on a sample of the queries."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from semid.evaluation.benchmark import Benchmark
from semid.evaluation.target_ranks import Ranks

# So many queries are timed, drawn with `settings.seed`; all of them where there are fewer.
TIMED_QUERIES = 500
# Histories whose lengths plus this number lie between the same powers of two are asked together.
LENGTH_SLACK = 32


def charge(ranks: Ranks, benchmark: Benchmark, rank: Callable[[Benchmark], Ranks]) -> None:
    """Set `ranks.seconds` to what all queries of the benchmark take, by the mean over :func:`timed_parts`.

    rank: ranks the queries of a benchmark in the way that is to be charged, with one budget at most, and counts the
    seconds. It is called when `ranks` are there, so that files and tables which all queries share have been read.
    """
    parts = timed_parts(benchmark)
    timed = sum(len(part.queries) for part in parts)
    ranks.seconds = sum(rank(part).seconds for part in parts) * len(benchmark.queries) / timed


def timed_parts(benchmark: Benchmark) -> list[Benchmark]:
    """Return the sample of queries that is timed, as benchmarks of queries with histories of similar length.

    A search fetches as many items for each query of a block as the longest history needs, so that a user with a long
    history would otherwise be charged to the others.
    """
    queries = benchmark.queries
    rows = np.arange(len(queries))
    if len(rows) > TIMED_QUERIES:
        rows = np.random.default_rng(benchmark.settings.seed).choice(rows, TIMED_QUERIES, replace=False)
    lengths = (queries.stop - queries.start)[rows]
    order = np.argsort(lengths, kind="stable")
    octaves = np.frexp(lengths[order] + LENGTH_SLACK)[1]
    parts = np.split(rows[order], np.flatnonzero(np.diff(octaves)) + 1)
    return [replace(benchmark, queries=queries.of(part)) for part in parts]
