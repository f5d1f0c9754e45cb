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
from semid.evaluation import EvaluationSettings, Queries
from semid.evaluation.benchmark import query_blocks
from semid.evaluation.files import open_queries
from semid.items import CoreItems
from semid.retrieval import InvertedIndex
from semid.retrieval.strategies.candidates import IndexedCodes, QueryBlock
from semid.retrieval.strategies.registry import STRATEGIES, CandidateStrategy

SETTINGS = EvaluationSettings()


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
    core = CoreItems.read(arguments.data / "items.parquet")
    queries, _ = open_queries([arguments.data / "train.parquet"], SETTINGS, core)
    print("\n".join(f"- {line}" for line in machine.describe(arguments.threads)))
    print(f"\n{len(queries):,} queries\n")
    print("| tokenizer | strategy | candidates a query | µs a query | min | max |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for folder in arguments.tokenizers:
        codes = IndexedCodes(folder.name, InvertedIndex.load(folder / "inverted", core))
        for name, strategy in STRATEGIES.items():
            # what the budgets cut is found by distances, for which the embeddings would have to be read
            if "budgets" in strategy.uses or codes.index.num_levels < strategy.min_levels:
                continue
            found, *seconds = (timed(queries, codes, strategy) for _ in range(1 + arguments.repeats))
            took = [each.seconds for each in seconds]
            micros = [1e6 * figure / len(queries) for figure in (statistics.median(took), min(took), max(took))]
            cells = " | ".join(f"{cell:.1f}" for cell in (found.candidates / len(queries), *micros))
            print(f"| {folder.name} | {name} | {cells} |")


class Timed(NamedTuple):
    """What one pass over all queries gave and took."""

    candidates: int
    seconds: float


def timed(queries: Queries, codes: IndexedCodes, strategy: CandidateStrategy) -> Timed:
    """Find the candidates of every query."""
    started = time.perf_counter()
    candidates = sum(
        len(found.values)
        for block in query_blocks(queries.stop - queries.start)
        for _, found in strategy.search(codes, QueryBlock(queries.history(block)), SETTINGS)
    )
    return Timed(candidates, time.perf_counter() - started)


if __name__ == "__main__":
    main()
