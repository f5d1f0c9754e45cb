"""What queries have seen, and the first items that they have not, against plain sets."""

import numpy as np
import pytest

from semid.retrieval import Ragged
from semid.retrieval.ragged import offsets_of
from semid.retrieval.seen import Seen, first_unseen

HISTORIES = [[3, 1, 3], [], [0, 4], [2]]


def ragged(lists: list[list[int]]) -> Ragged:
    return Ragged(
        np.array([item for items in lists for item in items], np.int64),
        offsets_of(np.array([len(items) for items in lists])),
    )


@pytest.fixture
def seen() -> Seen:
    return Seen.of(ragged(HISTORIES), 5)


def test_pairs_are_distinct_and_sorted(seen: Seen):
    assert list(zip(seen.owner, seen.item, strict=True)) == [(0, 1), (0, 3), (2, 0), (2, 4), (3, 2)]
    assert seen.counts.tolist() == [2, 0, 2, 1]


def test_what_a_query_lacks_is_what_its_history_does_not_hold(seen: Seen):
    owner, items = (places.ravel() for places in np.indices((4, 5)))
    expected = [item not in HISTORIES[query] for query, item in zip(owner, items, strict=True)]
    assert seen.lacks(owner, items).tolist() == expected
    assert seen.lacks(owner[::-1], items[::-1]).tolist() == expected[::-1]
    assert Seen.of(ragged([[], []]), 5).lacks(np.array([0, 1]), np.array([4, 0])).all()


@pytest.mark.parametrize("chosen", [slice(1, 3), np.array([True, False, False, True]), np.zeros(4, bool)])
def test_some_queries_are_counted_anew(seen: Seen, chosen: slice | np.ndarray):
    queries = np.arange(4)[chosen]
    some = seen.of_queries(chosen)
    assert some.num_queries == len(queries)
    pairs = [(number, item) for number, query in enumerate(queries) for item in sorted(set(HISTORIES[query]))]
    assert list(zip(some.owner, some.item, strict=True)) == pairs


def test_the_first_unseen_items_keep_their_order(seen: Seen):
    lists = ragged([[4, 0, 1, 2], [2, 3]])
    first = first_unseen(lists.owner, lists.values, seen, slice(2, 4), 2)
    assert first.values.dtype == np.int32
    assert [part.tolist() for part in np.split(first.values, first.offsets[1:-1])] == [[1, 2], [3]]
