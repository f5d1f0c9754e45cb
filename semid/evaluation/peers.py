"""Peers: what indexes that need no semantic IDs find, at the same numbers of candidates."""

import math
from collections.abc import Iterator

import numpy as np
import torch

from semid.evaluation.evaluate import (
    EvaluationSettings,
    RankedTwice,
    Row,
    check_inputs,
    outcome_row,
    query_blocks,
    rank_candidates,
    vectors_of_queries,
)
from semid.evaluation.queries import Queries
from semid.evaluation.ranks import Ranks, Strategy
from semid.progress import Progress
from semid.retrieval import faiss_index
from semid.retrieval.candidates import PAIR_BUDGET, first_unseen
from semid.retrieval.dense import PairScorer, Vectors
from semid.retrieval.ragged import Ragged, distinct_pairs, split_by_budget

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


def evaluate_peers(
    dataset: str,
    queries: Queries,
    vectors: Vectors,
    representatives: np.ndarray,
    training_counts: np.ndarray,
    settings: EvaluationSettings,
    normalize: bool = False,
    training_threads: int = 1,
    threads: int = 1,
    note: str = "",
) -> list[Row]:
    """Rows of the table for the indexes of :func:`peer_factories`, one for each budget.

    Candidates are the first unseen items that the index returns, as many as the budget says, ranked by the vectors as
    those of a tokenizer are; a search visits inverted lists that hold twice the budget on average. The indexes learn
    from items that occur in training (training_counts, integers [items]), drawn by `settings.seed`, on
    `training_threads`: another number of them may give other lists. Raises InputError as
    :func:`semid.evaluation.evaluate.evaluate_tokenizer`.
    """
    check_inputs(dataset, queries, vectors)
    training_rows = np.flatnonzero(training_counts)
    scorers = {"exact": PairScorer(vectors, representatives, normalize)}
    num_items, dim = vectors.shape
    rows = []
    for peer, (factory, bits) in peer_factories(num_items, dim, len(training_rows)).items():
        index = faiss_index.build_index(
            vectors, factory, training_rows, normalize, training_threads, threads, settings.seed
        )
        own: Row = {"tokenizer": PEERS, "method": factory}
        if bits is not None:
            own["bits"] = bits
        budgets = sorted(settings.budgets)
        with Progress(len(queries) * len(budgets), f"evaluate {factory}", "queries") as progress:
            for budget in budgets:
                index.probe(VISITED * budget)
                ranks = {Strategy(peer, budget, "exact"): RankedTwice(Ranks(len(queries)), None)}
                for block in query_blocks(queries.stop - queries.start):
                    history = queries.history(block)
                    query = vectors_of_queries(vectors, history, settings, normalize)
                    batches = _search_batches(index, query, history, budget)
                    rank_candidates(batches, queries.target[block], query, scorers, ranks, block.start)
                    progress.update(len(history))
                for strategy, found in ranks.items():
                    rows.append(
                        {**outcome_row(dataset, queries, settings, found.items, note), **own, **strategy._asdict()}
                    )
    return rows


def _search_batches(
    index: faiss_index.FaissIndex, query: torch.Tensor, history: Ragged, budget: int
) -> Iterator[tuple[slice, Ragged]]:
    """Yield (slice of queries, their candidates), the best first."""
    num_items = index.shape[0]
    owner, item = distinct_pairs(history.owner, history.values, num_items)
    seen_keys = owner * num_items + item
    fetch = min(num_items, budget + int(np.bincount(owner).max()))
    for rows in split_by_budget(np.full(len(history), fetch), PAIR_BUDGET):
        found = index.search(query[rows], fetch)
        place = np.nonzero(found >= 0)
        yield rows, first_unseen(place[0], found[place], seen_keys, num_items, rows, budget)
