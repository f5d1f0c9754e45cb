"""`ranks.parquet`, the outcome of every query, and ranks among codes instead of items."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semid.errors import InputError
from semid.evaluation.metrics import expected_metric
from semid.files import whole_file

SCHEMA = pa.schema(
    {
        "candidates": pa.dictionary(pa.int32(), pa.string()),
        "budget": pa.int32(),
        "rerank": pa.dictionary(pa.int32(), pa.string()),
        "query": pa.int32(),
        "greater": pa.int32(),
        "equal": pa.int32(),
        "found": pa.bool_(),
        "size": pa.int32(),
    }
)
OUTCOMES = ("greater", "equal", "found", "size")
# of metrics among codes
CODE_METRICS = ("recall@10", "ndcg@10")
# before the candidates of random codes
RANDOM = "random:"


@dataclass(eq=False)
class Ranks:
    """Where each query's target stands among its unseen candidates, and what it cost.

    greater, equal, found: as in :func:`semid.evaluation.metrics.expected_metric`; size: int64, unseen candidates;
    lists: int32 [queries, depth], the first unseen candidates, best first, those of one score by ascending index, -1
    where there are fewer. The file of ranks does not keep the lists.
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


class Strategy(NamedTuple):
    """How candidates are found and ordered; `budget` 0: none was set."""

    candidates: str
    budget: int
    rerank: str


def write_ranks(path: str | Path, ranks: Mapping[Strategy, Ranks]) -> None:
    """Write the ranks of every strategy as `ranks.parquet`: a row a query, in order, and a row group a strategy."""
    with (
        whole_file(path) as temporary,
        pq.ParquetWriter(
            temporary,
            SCHEMA,
            compression="zstd",
            use_dictionary=["candidates", "rerank"],
            column_encoding={"query": "DELTA_BINARY_PACKED"},
        ) as writer,
    ):
        for strategy, own in ranks.items():
            columns = {name: pa.repeat(value, own.num_queries) for name, value in strategy._asdict().items()}
            columns["query"] = pa.array(np.arange(own.num_queries))
            columns |= {name: pa.array(getattr(own, name)) for name in OUTCOMES}
            writer.write_table(pa.table(columns).cast(SCHEMA), row_group_size=own.num_queries)


@dataclass(frozen=True, eq=False)
class RanksFile:
    """An opened `ranks.parquet`: the strategies it holds, in its order. Reads one of them at a time."""

    path: Path
    strategies: tuple[Strategy, ...]

    @classmethod
    def open(cls, path: str | Path, num_queries: int) -> Self:
        """Read the names alone; InputError for a file that is missing, unreadable or not of `num_queries` queries."""
        path = Path(path)
        try:
            metadata = pq.read_metadata(path)
        except (OSError, pa.ArrowException) as error:
            raise _unusable(path, str(error).splitlines()[0]) from error
        if metadata.schema.names != SCHEMA.names:
            raise _unusable(path, f"its columns are {', '.join(metadata.schema.names)}")
        strategies = []
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            if group.num_rows != num_queries:
                raise _unusable(path, f"it has ranks of {group.num_rows:,} queries, expected {num_queries:,}")
            # a row group holds one strategy: the least name is the only one
            names = (group.column(SCHEMA.get_field_index(name)).statistics.min for name in Strategy._fields)
            strategies.append(Strategy(*names))
        return cls(path, tuple(strategies))

    def read(self, strategy: Strategy) -> Ranks:
        """The ranks of one strategy; how long they took is not kept."""
        group = self.strategies.index(strategy)
        try:
            with pq.ParquetFile(self.path) as file:
                table = file.read_row_group(group, columns=list(OUTCOMES))
        except (OSError, pa.ArrowException) as error:
            raise _unusable(self.path, str(error).splitlines()[0]) from error
        ranks = Ranks(len(table))
        for name in OUTCOMES:
            getattr(ranks, name)[:] = table[name].to_numpy()
        return ranks


def _unusable(path: Path, reason: str) -> InputError:
    return InputError(f"{path} cannot be used ({reason}): run the evaluation again")


def code_ranks(
    owner: np.ndarray, scores: np.ndarray, bucket: np.ndarray, target_bucket: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ranks among distinct codes: `greater` and `equal`, int64 [queries], and `found`, bool [queries].

    owner, bucket: integers [candidates], the query and the code of each candidate; scores: float [candidates];
    target_bucket: integers [queries], the code of the target. The ranked candidates become codes, each at its best
    candidate, and the target counts as found wherever its code is, whichever item brought it: what a generator of code
    strings reports that takes a string for the item. `greater` counts codes above the target's, `equal` those that
    score like it, itself among them: both are for :func:`expected_metric`.
    """
    num_queries = len(target_bucket)
    own = bucket == target_bucket[owner]
    best = np.full(num_queries, np.inf, scores.dtype)
    found = np.bincount(owner[own], minlength=num_queries) > 0
    best[found] = -np.inf
    np.maximum.at(best, owner[own], scores[own])
    # few candidates are above the target's code: only they are sorted
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
    """Columns of the table: `<metric>_code`, and by what factor it is larger than the metric of the items.

    items, codes: the same queries ranked among items and, by :func:`code_ranks`, among codes. The factor,
    `<metric>_inflation`, is never below 1; it is left out where no item is hit.
    """
    columns = {}
    for metric in CODE_METRICS:
        item_level, code_level = (
            float(expected_metric(metric, ranks.greater, ranks.equal, ranks.found).mean()) for ranks in (items, codes)
        )
        columns[f"{metric}_code"] = code_level
        if item_level:
            columns[f"{metric}_inflation"] = code_level / item_level
    return columns
