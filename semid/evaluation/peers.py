"""Peers: what indexes that need no semantic IDs find, at the same numbers of candidates."""

import math
from collections.abc import Iterator

import numpy as np
import torch

from semid.evaluation.benchmark import Benchmark, Row
from semid.evaluation.ranking import RankedTwice, rank_candidates
from semid.evaluation.ranks import Strategy
from semid.progress import Progress
from semid.retrieval import faiss_index
from semid.retrieval.ragged import Ragged, distinct_pairs, split_by_budget
from semid.retrieval.strategies.candidates import PAIR_BUDGET, Candidates, first_unseen

PEERS = "peers"
# a product quantizer of 4 parts of 8 bits has the bits of a semantic ID of 4 levels of 256 codes
PARTS, PART_BITS = 4, 8
# the fewest training items behind a centroid of a part
ROWS_A_CENTROID = 4
# a search visits lists that hold so many times the budget, so that few queries find less
VISITED = 2


def peer_factories(num_items: int, dim: int, training_items: int) -> dict[str, tuple[str, float | None]]:
    """Factory string of faiss and bits of an item, by the name of the peer: `ivf_flat`, `pq`, `ivf_pq`.

    There are about 4 √n inverted lists, as faiss advises, each with 39 training items or more. Parts of the product
    quantizer divide `dim`, and are of fewer bits where training items are few. Vectors of `ivf_flat` are not coded.
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
    """Rows of the table for the indexes of :func:`peer_factories`, one for each budget.

    Candidates are the first unseen items that the index returns, as many as the budget says, ranked by the vectors as
    those of a tokenizer are; a search visits inverted lists that hold twice the budget on average. The indexes learn
    from items that occur in training, drawn by `settings.seed`, on `training_threads`: another number of them may give
    other lists.
    """
    items, settings, num_queries = benchmark.items, benchmark.settings, len(benchmark.queries)
    training_rows = np.flatnonzero(items.training_counts)
    scorers = {"exact": items.scorer()}
    budgets = sorted(settings.budgets)
    rows = []
    for peer, (factory, bits) in peer_factories(items.num_items, items.vectors.shape[1], len(training_rows)).items():
        index = faiss_index.build_index(
            items.vectors, factory, training_rows, items.normalize, training_threads, threads, settings.seed
        )
        columns: Row = {"tokenizer": PEERS, "method": factory}
        if bits is not None:
            columns["bits"] = bits
        with Progress(num_queries * len(budgets), f"evaluate {factory}", "queries") as progress:
            for budget in budgets:
                index.probe(VISITED * budget)
                strategy, ranked = Strategy(peer, budget, "exact"), RankedTwice(benchmark.empty_ranks(), None)
                for block in benchmark.blocks():
                    batches = _search_batches(index, block.vectors, block.history, budget)
                    rank_candidates(batches, block, scorers, {strategy: ranked})
                    progress.update(len(block))
                rows.append({**benchmark.outcome_row(ranked.items), **columns, **strategy._asdict()})
    return rows


def _search_batches(
    index: faiss_index.FaissIndex, query: torch.Tensor, history: Ragged, budget: int
) -> Iterator[Candidates]:
    """Yield (slice of queries, their candidates), the best first."""
    num_items = index.shape[0]
    owner, item = distinct_pairs(history.owner, history.values, num_items)
    seen_keys = owner * num_items + item
    fetch = min(num_items, budget + int(np.bincount(owner).max()))
    for rows in split_by_budget(np.full(len(history), fetch), PAIR_BUDGET):
        found = index.search(query[rows], fetch)
        place = np.nonzero(found >= 0)
        yield rows, first_unseen(place[0], found[place], seen_keys, num_items, rows, budget)
