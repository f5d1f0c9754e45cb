"""Histories, skipped queries and query vectors, on splits small enough to check by eye."""

import numpy as np
import pandas as pd
import pytest
import torch

from semid.errors import InputError
from semid.evaluation import EvaluationSettings, Interactions, build_queries, read_interactions
from semid.evaluation.queries import query_vectors
from semid.retrieval import Ragged
from semid.retrieval.ragged import offsets_of

# user, item, time; -1 is an item that is not in items.parquet
TRAIN = [("a", 1, 10), ("a", 2, 20), ("b", 3, 10), ("b", -1, 20), ("c", 4, 10), ("é", 1, 5)]
VALID = [("a", 5, 30), ("b", 6, 30), ("f", 2, 30)]
TEST = [
    ("a", 7, 30),  # tied with item 5
    ("a", 8, 40),  # its history holds 7
    ("a", 2, 50),  # seen in train
    ("a", 9, 50),  # tied with item 2, which is in the history although it was skipped
    ("c", -1, 20),  # unknown target
    ("d", 1, 10),  # no history
    ("f", 3, 31),
    ("é", 1, 6),  # seen
]


@pytest.fixture
def folder(tmp_path):
    for name, rows in (("train", TRAIN), ("valid", VALID), ("test", TEST)):
        table = pd.DataFrame(rows, columns=["user_id", "item_index", "timestamp"])
        table["item_index"] = table["item_index"].astype("int32")
        table.assign(rating=5.0, item_id="x").to_parquet(tmp_path / f"{name}.parquet")
    return tmp_path


def told(queries) -> list[tuple[list[int], int, bool]]:
    history = queries.history(slice(None))
    parts = [history.values[a:b].tolist() for a, b in zip(history.offsets[:-1], history.offsets[1:], strict=True)]
    return list(zip(parts, queries.target.tolist(), queries.untied.tolist(), strict=True))


def test_every_test_row_is_a_query_with_everything_earlier_as_its_history(folder):
    queries = build_queries(read_interactions(folder), "test")
    assert told(queries) == [
        ([1, 2, 5], 7, False),
        ([1, 2, 5, 7], 8, True),
        ([1, 2, 5, 7, 8, 2], 9, False),
        ([2], 3, True),
    ]
    assert (queries.no_history_skipped, queries.unknown_target_skipped, queries.cold_start_skipped) == (1, 1, 2)
    assert queries.seen_skipped == 2
    assert queries.num_users == 2
    assert len(set(queries.user[:3])) == 1


def test_valid_queries_see_training_alone_and_ignore_unknown_history_items(folder):
    for queries in (
        build_queries(read_interactions(folder, "valid"), "valid"),
        build_queries(read_interactions(folder, "test"), "valid"),
    ):
        assert told(queries) == [([1, 2], 5, True), ([3], 6, True)]
        assert (queries.cold_start_skipped, queries.seen_skipped) == (1, 0)


def test_a_query_without_history_and_known_target_is_skipped_once():
    interactions = Interactions(np.array([0, 1, 1]), np.array([-1, -1, 5]), np.arange(3), np.array([2, 0, 2], np.int8))
    queries = build_queries(interactions)
    assert (len(queries), queries.no_history_skipped, queries.unknown_target_skipped) == (0, 2, 0)


def test_training_steps_join_items_that_follow_each_other_in_training():
    # interleaved users; user 0 repeats item 3 and has an unknown item, its later rows are not of training
    interactions = Interactions(
        user=np.array([0, 1, 0, 1, 0, 0, 0, 0, 1]),
        item=np.array([2, 7, 3, 2, 3, -1, 4, 9, 8]),
        timestamp=np.arange(9),
        split=np.array([0, 0, 0, 0, 0, 0, 0, 1, 2], np.int8),
    )
    assert interactions.training_steps().tolist() == [[2, 3], [3, 4], [7, 2]]


def test_histories_of_some_queries_are_those_of_all(folder):
    queries = build_queries(read_interactions(folder))
    some = queries.history(np.array([3, 0]))
    assert some.values.tolist() == [2, 1, 2, 5]
    assert some.offsets.tolist() == [0, 1, 4]


def test_training_counts_leave_out_unknown_items_and_later_splits(folder):
    assert read_interactions(folder).training_counts(8).tolist() == [0, 2, 1, 1, 1, 0, 0, 0]


def test_rows_of_a_user_need_not_be_together():
    # interleaved users keep their own order
    interactions = Interactions(
        user=np.array([1, 0, 1, 0, 0, 1]),
        item=np.array([10, 20, 11, 21, 22, 12]),
        timestamp=np.arange(6),
        split=np.array([0, 0, 0, 0, 2, 2], np.int8),
    )
    assert told(build_queries(interactions)) == [([20, 21], 22, True), ([10, 11], 12, True)]


def test_max_users_is_a_seeded_sample_of_users_with_all_their_queries():
    user = np.repeat(np.arange(50), 4)
    split = np.tile(np.array([0, 0, 2, 2], np.int8), 50)
    interactions = Interactions(user, np.arange(200), np.arange(200), split)
    sample = build_queries(interactions, max_users=7, seed=1)
    assert sample.num_users == 7
    assert len(sample) == 14
    assert (sample.user == build_queries(interactions, max_users=7, seed=1).user).all()
    assert set(sample.user) != set(build_queries(interactions, max_users=7, seed=2).user)
    assert len(build_queries(interactions, max_users=50)) == len(build_queries(interactions)) == 100


def test_integer_and_dictionary_user_ids_read_the_same(folder, tmp_path):
    expected = told(build_queries(read_interactions(folder)))
    number = {"a": 5, "b": 1, "c": 7, "d": 2, "é": 9, "f": 0}
    for convert in (lambda users: users.map(number), lambda users: users.astype("category")):
        for name in ("train", "valid", "test"):
            table = pd.read_parquet(folder / f"{name}.parquet")
            table.assign(user_id=convert(table["user_id"])).to_parquet(tmp_path / f"{name}.parquet")
        assert sorted(told(build_queries(read_interactions(tmp_path)))) == sorted(expected)


def test_files_that_cannot_be_used_are_named(folder):
    table = pd.read_parquet(folder / "test.parquet")
    table.drop(columns="timestamp").to_parquet(folder / "test.parquet")
    with pytest.raises(InputError, match=r"test\.parquet has no column timestamp"):
        read_interactions(folder)
    table.assign(timestamp=table["timestamp"].where(table.index != 1)).to_parquet(folder / "test.parquet")
    with pytest.raises(InputError, match=r"test\.parquet: 1 null values in timestamp"):
        read_interactions(folder)
    (folder / "test.parquet").write_bytes(b"")
    with pytest.raises(InputError, match=r"test\.parquet cannot be read"):
        read_interactions(folder)
    (folder / "train.parquet").unlink()
    with pytest.raises(InputError, match=r"train\.parquet cannot be read"):
        read_interactions(folder)
    with pytest.raises(InputError, match="'train'"):
        build_queries(Interactions(*np.zeros((4, 1), np.int64)), "train")


@pytest.mark.parametrize("query", ["last", "mean", "decay"])
@pytest.mark.parametrize("normalize", [False, True])
def test_query_vectors_are_the_weighted_sums_of_their_definition(query, normalize, monkeypatch):
    rng = np.random.default_rng(0)
    vectors = (rng.standard_normal((30, 6)) * rng.uniform(0.5, 4, (30, 1))).astype(np.float32)
    histories = [rng.integers(0, 30, length) for length in (1, 2, 15, 3, 40)]
    history = Ragged(np.concatenate(histories), offsets_of(np.array([len(one) for one in histories])))
    rows = vectors.astype(np.float64)
    if normalize:
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    expected = []
    for one in histories:
        if query == "last":
            total = rows[one[-1]]
        elif query == "mean":
            total = rows[one].mean(axis=0)
        else:
            total = sum(0.7**age * rows[item] for age, item in enumerate(one[::-1][:10]))
        expected.append(total / np.linalg.norm(total))
    settings = EvaluationSettings(query=query, decay=0.7, history=10)
    found = query_vectors(vectors, history, settings, normalize=normalize)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, expected, atol=2e-6)
    monkeypatch.setattr("semid.evaluation.queries.SCORE_BATCH", 4)
    assert torch.equal(query_vectors(vectors, history, settings, normalize), found)


def test_an_unknown_query_and_one_that_has_yet_to_be_chosen_are_refused():
    with pytest.raises(InputError, match="last, mean, decay"):
        EvaluationSettings(query="first")
    with pytest.raises(InputError, match="'fit', expected one of last, mean, decay"):
        query_vectors(np.ones((1, 2)), Ragged(np.array([0]), np.array([0, 1])), EvaluationSettings(query="fit"))


@pytest.mark.parametrize("at_once", [1, 3, 1 << 20])
def test_users_are_numbered_by_first_appearance_whatever_is_read_at_once(tmp_path, monkeypatch, at_once):
    monkeypatch.setattr("semid.interactions.NAMES_AT_ONCE", at_once)
    rng = np.random.default_rng(0)
    users = [f"u{number}" for number in rng.integers(0, 25, 90)]
    items, times = rng.integers(-1, 9, 90), rng.integers(0, 2**40, 90)
    for split, rows in (("train", slice(0, 50)), ("valid", slice(50, 50)), ("test", slice(50, 90))):
        columns = {"user_id": users[rows], "item_index": items[rows].astype("int32"), "timestamp": times[rows]}
        pd.DataFrame(columns).astype({"user_id": str}).to_parquet(tmp_path / f"{split}.parquet", row_group_size=7)
    found = read_interactions(tmp_path)
    order = list(dict.fromkeys(users))
    assert found.user.tolist() == [order.index(user) for user in users]
    assert (found.item == items).all()
    assert (found.timestamp == times).all()
    assert found.split.tolist() == [0] * 50 + [2] * 40
    assert (found.user.dtype, found.item.dtype) == (np.int32, np.int32)


@pytest.mark.parametrize("at_once", [1, 10, 1 << 20])
def test_a_target_is_seen_where_an_earlier_row_of_the_user_has_it(monkeypatch, at_once):
    monkeypatch.setattr("semid.evaluation.queries.ROWS_AT_ONCE", at_once)
    rng = np.random.default_rng(1)
    user, item, split = rng.integers(0, 12, 200), rng.integers(-1, 6, 200), rng.integers(0, 3, 200).astype(np.int8)
    queries = build_queries(Interactions(user, item, np.arange(200), split))
    order = np.lexsort((split, user))
    told, seen_skipped = [], 0
    for place, row in enumerate(order):
        history = [item[before] for before in order[:place] if user[before] == user[row] and item[before] >= 0]
        if split[row] == 2 and history and item[row] >= 0:
            seen_skipped += item[row] in history
            told += [] if item[row] in history else [(user[row], item[row], history)]
    histories = queries.history(np.arange(len(queries)))
    assert queries.seen_skipped == seen_skipped > 0
    assert [
        (user, target, histories.values[a:b].tolist())
        for user, target, a, b in zip(
            queries.user, queries.target, histories.offsets[:-1], histories.offsets[1:], strict=True
        )
    ] == told


def test_an_item_beyond_the_catalogue_in_training_is_named():
    from semid.evaluation import Benchmark, Catalogue

    interactions = Interactions(np.array([0, 0, 1]), np.array([1, 2, 9]), np.arange(3), np.array([0, 2, 0], np.int8))
    items = Catalogue(np.ones((5, 2), np.float32), np.zeros(5, int), interactions.training_counts(5))
    with pytest.raises(InputError, match="names item_index 9, but there are 5 embeddings"):
        Benchmark("tiny", build_queries(interactions), items, EvaluationSettings())
