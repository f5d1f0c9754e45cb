"""Where each query's target stands among its candidates: among items, and among the codes of these items."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from semid.evaluation.metrics import expected_metric

# The metrics that are computed among codes, too.
CODE_METRICS = ("recall@10", "ndcg@10")
# The names of candidates that random codes give begin with this.
RANDOM = "random:"


@dataclass(eq=False)
class Ranks:
    """Where each query's target stands among its unseen candidates, and how many seconds all queries take.

    greater, equal, found: as in :func:`semid.evaluation.metrics.expected_metric`; size: int64 [queries], the number of
    unseen candidates; lists: int32 [queries, depth], the first unseen candidates from the best on, candidates of one
    score by ascending index, -1 where there are fewer. The file of ranks does not keep the lists. seconds: what ranking
    takes, in whose place :func:`semid.evaluation.costs.charge` puts what a ranking takes alone.
    """

    num_queries: int
    depth: int = 0
    seconds: float = 0.0
    greater: np.ndarray = field(init=False)
    equal: np.ndarray = field(init=False)
    found: np.ndarray = field(init=False)
    size: np.ndarray = field(init=False)
    lists: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.greater, self.equal, self.size = np.zeros((3, self.num_queries), np.int64)
        self.found = np.zeros(self.num_queries, bool)
        self.lists = np.full((self.num_queries, self.depth), -1, np.int32)

    def metric(self, name: str) -> np.ndarray:
        """float64 [queries]: the expectation of this metric over the orders of tied candidates."""
        return expected_metric(name, self.greater, self.equal, self.found)


class Ranking(NamedTuple):
    """What tells the rows of one tokenizer apart: how candidates are found and ordered; `budget` is 0 without one."""

    candidates: str
    budget: int
    rerank: str


def code_ranks(
    owner: np.ndarray, scores: np.ndarray, bucket: np.ndarray, target_bucket: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ranks among distinct codes: `greater` and `equal`, int64 [queries], and `found`, bool [queries].

    owner, bucket: integers [candidates], the query and the code of each candidate; scores: float [candidates];
    target_bucket: integers [queries], the code of the target. A code takes the place of its best candidate, and the
    target counts as found wherever its code is, whichever item brought it. Generative recommenders report this figure
    if they count a generated code as a hit without resolving collisions. `greater` counts the codes above the target's
    code, `equal` those that score like it, itself included; both are arguments of :func:`expected_metric`.
    """
    num_queries = len(target_bucket)
    of_target = bucket == target_bucket[owner]
    best = np.full(num_queries, np.inf, scores.dtype)
    found = np.bincount(owner[of_target], minlength=num_queries) > 0
    best[found] = -np.inf
    np.maximum.at(best, owner[of_target], scores[of_target])
    # Few candidates score at least as much as the target's code, and only these are sorted.
    contends = scores >= best[owner]
    owner, scores = owner[contends], scores[contends]
    keys = owner.astype(np.int64) * (int(target_bucket.max(initial=0)) + int(bucket.max(initial=0)) + 1)
    keys += bucket[contends]
    order = np.lexsort((scores, keys))
    last = order[np.flatnonzero(np.diff(keys[order], append=-1))]
    above = scores[last] > best[owner[last]]
    greater = np.bincount(owner[last[above]], minlength=num_queries)
    equal = np.bincount(owner[last[~above]], minlength=num_queries)
    return greater, equal, found


def code_columns(items: Ranks, codes: Ranks) -> dict[str, float]:
    """Return, for each code metric, the columns `<metric>_code` and `<metric>_inflation`.

    items, codes: the same queries ranked among items and, by :func:`code_ranks`, among codes. The inflation is the
    metric among codes divided by that among items. It is never below 1, and is left out where no item is hit.
    """
    columns = {}
    for metric in CODE_METRICS:
        item_level, code_level = (float(ranks.metric(metric).mean()) for ranks in (items, codes))
        columns[f"{metric}_code"] = code_level
        if item_level:
            columns[f"{metric}_inflation"] = code_level / item_level
    return columns
