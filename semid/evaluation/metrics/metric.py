"""The two kinds of metric: of the rank of the one relevant item, and of the lists that are shown."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

KS = (1, 5, 10, 20, 50, 100)
MAX_RANK = 100
# the metrics whose intervals stand among the first columns, and which are also computed for untied users alone
HEADLINE = ("recall@10", "ndcg@10")


@dataclass(frozen=True)
class GainMetric:
    """A metric that depends on the rank of the one relevant item: `gain(rank)` up to rank `cutoff`, and 0 beyond it.

    name: the column, such as `recall@10`; gain: a function from ranks, integers [n] from 1 on, to float64 [n]; cutoff:
    the last rank that counts; description: a sentence for readers. The table has the mean over queries, with an
    interval.
    """

    name: str
    gain: Callable[[np.ndarray], np.ndarray]
    cutoff: int
    description: str


@dataclass(frozen=True)
class ListMetric:
    """A metric of the first `depth` unseen candidates of all queries together; the table has it without an interval.

    value: a function of the ranked lists, int32 [queries, depth], item indices, best first, -1 where there are fewer;
    of the number of items in the catalogue; and of training_counts, integers [items]. Items that score the same are
    listed by ascending item index.
    """

    name: str
    value: Callable[[np.ndarray, int, np.ndarray], float]
    depth: int
    description: str
