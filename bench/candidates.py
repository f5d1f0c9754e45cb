"""Microseconds a user that candidate generation alone takes, on the files of a finished run.

`python -m bench.candidates data/beauty results/beauty/rqkmeans_4x256 …` prints a table: medians over the repeats, of
finding every test user's candidates. Scores, ranks and metrics are not in it; the tables that an index makes once for
all users are made before the clock starts.
"""

import argparse
import statistics
import time
from pathlib import Path
from typing import NamedTuple

import torch

from bench import machine
from semid.evaluation import Queries, build_queries, read_interactions
from semid.evaluation.evaluate import query_blocks
from semid.retrieval import InvertedIndex
from semid.retrieval.candidates import STRATEGIES, applies, candidate_batches

MIN_CANDIDATES = 100


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.candidates", description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the splits: data/<dataset>")
    parser.add_argument(
        "tokenizers", type=Path, nargs="+", help="folders with inverted/: results/<dataset>/<tokenizer>"
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=machine.cores())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    queries = build_queries(read_interactions(arguments.data))
    print("\n".join(f"- {line}" for line in machine.describe(arguments.threads)))
    print(f"\n{len(queries):,} queries\n")
    print("| tokenizer | strategy | candidates a query | µs a query | min | max |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for folder in arguments.tokenizers:
        index = InvertedIndex.load(folder / "inverted")
        for strategy in (name for name in STRATEGIES if applies(name, index.num_levels)):
            found, *seconds = (timed(queries, index, strategy) for _ in range(1 + arguments.repeats))
            took = [each.seconds for each in seconds]
            micros = [1e6 * figure / len(queries) for figure in (statistics.median(took), min(took), max(took))]
            cells = " | ".join(f"{cell:.1f}" for cell in (found.candidates / len(queries), *micros))
            print(f"| {folder.name} | {strategy} | {cells} |")


class Timed(NamedTuple):
    """What one pass over all queries gave and took."""

    candidates: int
    seconds: float


def timed(queries: Queries, index: InvertedIndex, strategy: str) -> Timed:
    """Find the candidates of every query."""
    started = time.perf_counter()
    candidates = sum(
        len(found.values)
        for block in query_blocks(queries.stop - queries.start)
        for _, found in candidate_batches(index, queries.history(block), strategy, MIN_CANDIDATES)
    )
    return Timed(candidates, time.perf_counter() - started)


if __name__ == "__main__":
    main()
