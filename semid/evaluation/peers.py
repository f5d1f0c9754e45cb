"""Peers: indexes that need no semantic IDs, evaluated at the same numbers of candidates."""

import math
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch

from semid.evaluation.benchmark import Benchmark, Block, Row
from semid.evaluation.candidate_ranking import RankedTwice, rank_candidates
from semid.evaluation.costs import charge
from semid.evaluation.files import BenchmarkFiles, BenchmarkOptions, open_benchmark
from semid.evaluation.table import write_table
from semid.evaluation.target_ranks import Ranking, Ranks
from semid.progress import Progress
from semid.retrieval import faiss_index
from semid.retrieval.dense import PairScorer
from semid.retrieval.ragged import Ragged, split_by_budget
from semid.retrieval.seen import Seen, first_unseen
from semid.retrieval.strategies.candidates import PAIR_BUDGET, Candidates

PEERS = "peers"
# A product quantizer of 4 parts of 8 bits has as many bits as a semantic ID of 4 levels of 256 codes.
PARTS, PART_BITS = 4, 8
# A centroid of a part is learnt from at least this many training items on average.
ROWS_A_CENTROID = 4
# A search visits lists that hold this many times the budget, so that few queries find less than the budget.
VISITED = 2


def peer_factories(num_items: int, dim: int, training_items: int) -> dict[str, tuple[str, float | None]]:
    """Return the factory string of faiss and the bits of an item, by the name of the peer: `ivf_flat`, `pq`, `ivf_pq`.

    There are about 4 √n inverted lists, as faiss advises, each with 39 training items or more. The number of parts of
    the product quantizer divides `dim`, and parts have fewer bits where training items are few. `ivf_flat` stores
    vectors as they are, so its bits are None.
    """
    lists = max(1, min(round(4 * math.sqrt(num_items)), training_items // faiss_index.TRAINING_ROWS_A_LIST))
    parts = math.gcd(PARTS, dim)
    bits = min(PART_BITS, max(1, (training_items // ROWS_A_CENTROID).bit_length() - 1))
    return {
        "ivf_flat": (f"IVF{lists},Flat", None),
        "pq": (f"PQ{parts}x{bits}np", parts * bits),
        "ivf_pq": (f"IVF{lists},PQ{parts}x{bits}np", math.log2(lists) + parts * bits),
    }


def evaluate_peers(benchmark: Benchmark, training_threads: int = 1, threads: int = 1) -> list[Row]:
    """Return the rows of the table for the indexes of :func:`peer_factories`, one for each budget.

    Candidates are the first unseen items that the index returns, as many as the budget says, and they are ranked by the
    vectors as those of a tokenizer are. A search visits inverted lists that hold twice the budget on average. The
    indexes learn from items that occur in training, drawn with `settings.seed`, on `training_threads`; another number
    of threads may give other lists.
    """
    items = benchmark.items
    training_rows = np.flatnonzero(items.training_counts)
    rows: list[Row] = []
    for peer, (factory, bits) in peer_factories(items.num_items, items.vectors.shape[1], len(training_rows)).items():
        index = faiss_index.build_index(
            items.vectors, factory, training_rows, items.normalize, training_threads, threads, benchmark.settings.seed
        )
        columns: Row = {"tokenizer": PEERS, "method": factory, **({} if bits is None else {"bits": bits})}
        rows += [columns | row for row in _rows_of_index(index, peer, factory, benchmark)]
        # an index may be as large as all vectors: it goes before the next is built
        del index
    return rows


def _rows_of_index(index: faiss_index.FaissIndex, peer: str, factory: str, benchmark: Benchmark) -> Iterator[Row]:
    """Yield the row of each budget."""
    scorers, budgets = {"exact": benchmark.items.scorer()}, sorted(benchmark.settings.budgets)
    with Progress(len(benchmark.queries) * len(budgets), f"evaluate {factory}", "queries") as progress:
        for budget in budgets:
            index.probe(VISITED * budget)
            strategy, ranked = Ranking(peer, budget, "exact"), RankedTwice(benchmark.empty_ranks(), None)
            for block in benchmark.blocks():
                _rank_block(index, block, scorers, strategy, ranked)
                progress.update(len(block))
            charge(ranked.items, benchmark, partial(_rank_alone, index, scorers, strategy))
            yield benchmark.outcome_row(ranked.items) | strategy._asdict()


def _rank_alone(
    index: faiss_index.FaissIndex, scorers: Mapping[str, PairScorer], strategy: Ranking, benchmark: Benchmark
) -> Ranks:
    ranks = Ranks(len(benchmark.queries))
    for block in benchmark.blocks():
        _rank_block(index, block, scorers, strategy, RankedTwice(ranks, None))
    return ranks


def _rank_block(
    index: faiss_index.FaissIndex,
    block: Block,
    scorers: Mapping[str, PairScorer],
    strategy: Ranking,
    ranked: RankedTwice,
) -> None:
    batches = _search_batches(index, block.vectors, block.history, strategy.budget)
    rank_candidates(batches, block, scorers, {strategy: ranked})


def _search_batches(
    index: faiss_index.FaissIndex, query: torch.Tensor, history: Ragged, budget: int
) -> Iterator[Candidates]:
    """Yield (slice of queries, their candidates), the best first."""
    num_items = index.shape[0]
    seen = Seen.of(history, num_items)
    fetch = min(num_items, budget + int(seen.counts.max()))
    for rows in split_by_budget(np.full(len(history), fetch), PAIR_BUDGET):
        items = index.search(query[rows], fetch)
        place = np.nonzero(items >= 0)
        yield rows, first_unseen(place[0], items[place], seen, rows, budget)


def write_peer_evaluation(
    files: BenchmarkFiles, options: BenchmarkOptions, path: str | Path, training_threads: int = 1, threads: int = 1
) -> None:
    """Evaluate the peers of a dataset from its files, and write `offline_eval.csv` to `path`."""
    torch.set_num_threads(threads)
    benchmark, _ = open_benchmark(files, options)
    write_table(evaluate_peers(benchmark, training_threads, threads), path)
