"""Queries: each evaluated interaction, and the history of its user before it."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch

from semid.errors import InputError
from semid.evaluation.settings import QUERIES, EvaluationSettings
from semid.interactions import SPLITS, Interactions
from semid.retrieval.dense import SCORE_BATCH, Vectors, float_rows, unit_rows
from semid.retrieval.ragged import Ragged, concatenated_ranges, offsets_of, split_by_budget
from semid.statistics.sums import add_rows, empty_sums

# Rows of whole users, about 50 bytes each, that are sorted by item at once.
ROWS_AT_ONCE = 1 << 20


@dataclass(frozen=True, eq=False)
class Queries:
    """The user, the target and the history of each query.

    user: int64 [queries]; target: int64 [queries], item indices; untied: bool [queries], whether the target and the
    most recent history item have different timestamps. The history of query `i` is `items[start[i]:stop[i]]`, item
    indices as integers in time order, the most recent last. Interactions that give no query are counted:

    - `no_history_skipped`: the user has no history;
    - `unknown_target_skipped`: the user has a history, but the target is not in items.parquet;
    - `seen_skipped`: the target is in the history.
    """

    user: np.ndarray
    target: np.ndarray
    untied: np.ndarray
    items: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    no_history_skipped: int
    unknown_target_skipped: int
    seen_skipped: int

    def __len__(self) -> int:
        return len(self.target)

    @property
    def cold_start_skipped(self) -> int:
        """The sum of `no_history_skipped` and `unknown_target_skipped`."""
        return self.no_history_skipped + self.unknown_target_skipped

    @property
    def num_users(self) -> int:
        """Number of distinct users."""
        return len(np.unique(self.user))

    def of(self, rows: np.ndarray) -> Self:
        """Return some of the queries; rows: integers [n]. Skipped interactions are counted as before."""
        kept = {name: getattr(self, name)[rows] for name in ("user", "target", "untied", "start", "stop")}
        return replace(self, **kept)

    def history(self, rows: slice | np.ndarray) -> Ragged:
        """Return the histories of some queries as item indices."""
        start, stop = self.start[rows], self.stop[rows]
        return Ragged(self.items[concatenated_ranges(start, stop)].astype(np.int64), offsets_of(stop - start))


def build_queries(interactions: Interactions, split: str = "test", max_users: int = 0, seed: int = 0) -> Queries:
    """Return a query for every interaction of `split`, whose history is everything that the user had before it.

    For `test` the history has train, valid and the user's earlier test rows; for `valid` it has train and earlier valid
    rows. History items that are not in items.parquet are ignored. `max_users` keeps a seeded sample of the users who
    have a row in `split`; 0 keeps all. Raises InputError for an unknown split.
    """
    if split not in SPLITS[1:]:
        raise InputError(f"the evaluation split is {split!r}, expected one of {', '.join(SPLITS[1:])}")
    wanted = SPLITS.index(split)
    users = np.unique(interactions.user[interactions.split == wanted])
    if 0 < max_users < len(users):
        users = np.random.default_rng(seed).choice(users, max_users, replace=False)
    # Only users who ask a query have a history that counts.
    asks = np.zeros(int(interactions.user.max(initial=-1)) + 1, bool)
    asks[users] = True
    rows = np.flatnonzero((interactions.split <= wanted) & asks[interactions.user])
    # Lexsort is stable: within a user and a split the rows stay in the order of time.
    rows = rows[np.lexsort((interactions.split[rows], interactions.user[rows]))]
    user, item, timestamp = interactions.user[rows], interactions.item[rows], interactions.timestamp[rows]
    targets = np.flatnonzero(interactions.split[rows] == wanted)
    del rows

    usable = item >= 0
    usable_before = offsets_of(usable)
    start = usable_before[np.searchsorted(user, user[targets])]
    stop = usable_before[targets]
    has_history = stop > start
    known = has_history & (item[targets] >= 0)
    seen = known & _met_before(user, item)[targets]
    kept = known & ~seen
    targets, start, stop = targets[kept], start[kept], stop[kept]
    return Queries(
        user=user[targets].astype(np.int64),
        target=item[targets].astype(np.int64),
        untied=timestamp[targets] != timestamp[usable][stop - 1],
        items=item[usable],
        start=start,
        stop=stop,
        no_history_skipped=int((~has_history).sum()),
        unknown_target_skipped=int((has_history & ~known).sum()),
        seen_skipped=int(seen.sum()),
    )


def _met_before(user: np.ndarray, item: np.ndarray) -> np.ndarray:
    """Return bool [rows]: whether an earlier row has the same user and item; rows are sorted by user."""
    met = np.empty(len(user), bool)
    first_of_user = np.append(np.flatnonzero(np.diff(user, prepend=-1)), len(user))
    for users in split_by_budget(np.diff(first_of_user), ROWS_AT_ONCE):
        rows = slice(first_of_user[users.start], first_of_user[users.stop])
        order = np.lexsort((item[rows], user[rows]))
        met_of_rows = np.zeros(len(order), bool)
        is_same = (np.diff(user[rows][order]) == 0) & (np.diff(item[rows][order]) == 0)
        # Lexsort is stable: of equal rows the first stays first.
        met_of_rows[order[1:][is_same]] = True
        met[rows] = met_of_rows
    return met


def query_vectors(
    vectors: Vectors, history: Ragged, settings: EvaluationSettings, normalize: bool = False
) -> torch.Tensor:
    """Return float32 [queries, dim], unit length: the last item's vector, the mean of the history, or a decayed sum.

    history: item indices in time order, none empty; settings: the `query` is read, and for `decay`, which weighs the
    item `j` places before the last by `decay ** j`, also `decay` and the number `history` of items that count.
    `normalize` makes item vectors unit length before they are added. Raises InputError for the query `fit`, whose
    choice has to be made before.
    """
    query = settings.query
    if query not in QUERIES:
        raise InputError(f"the evaluation query is {query!r}, expected one of {', '.join(QUERIES)}")
    stop = history.offsets[1:]
    taken = {"last": 1, "mean": len(history.values), "decay": settings.history}[query]
    start = np.maximum(history.offsets[:-1], stop - taken)
    places = concatenated_ranges(start, stop)
    owner = np.repeat(np.arange(len(history)), stop - start)
    weights = np.ones(len(places), np.float32)
    if query == "decay":
        weights = (settings.decay ** (stop[owner] - 1 - places)).astype(np.float32)
    sums = empty_sums(len(history), vectors.shape[1], int((stop - start).max(initial=0)), "cpu")
    for begin in range(0, len(places), SCORE_BATCH):
        batch = slice(begin, begin + SCORE_BATCH)
        rows, place = np.unique(history.values[places[batch]], return_inverse=True)
        block = float_rows(vectors, rows, normalize).index_select(0, torch.from_numpy(place))
        weighted = block.mul_(torch.from_numpy(weights[batch])[:, None])
        add_rows(sums, torch.from_numpy(owner[batch]), weighted)
    return unit_rows(sums.float())
