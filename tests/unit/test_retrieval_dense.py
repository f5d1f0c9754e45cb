"""Scores, and the exact search of the whole catalogue."""

import numpy as np
import pytest
import torch

from semid import loops
from semid.embeddings import store
from semid.embeddings.store import EmbeddingStore, Rows
from semid.retrieval import PairScorer, dense, top_items
from semid.retrieval.dense import unit_rows


@pytest.fixture(params=["torch", "compiled"])
def way(request, monkeypatch):
    """Score pairs in the way of a small catalogue, and of a large one."""
    if request.param == "compiled":
        if not loops.has_numba():
            pytest.skip("numba, which compiles loops, is an extra")
        monkeypatch.setattr(dense, "COMPILED_ITEMS", 1)
    return request.param


@pytest.mark.parametrize("dim", [1, 2, 3, 7, 16, 100, 384, 1000, 8192])
def test_a_pair_score_does_not_depend_on_its_batch(dim, way, monkeypatch):
    rng = np.random.default_rng(dim)
    n = 20 if dim > 1000 else 200
    vectors = rng.standard_normal((n, dim)).astype(np.float32)
    queries = torch.from_numpy(rng.standard_normal((7, dim)).astype(np.float32))
    owner, items = rng.integers(0, 7, 700), rng.integers(0, n, 700)
    scorer = PairScorer(vectors, np.arange(n))
    scores = scorer.score_pairs(queries, owner, items)
    exact = (queries.numpy().astype(np.float64)[owner] * vectors.astype(np.float64)[items]).sum(axis=1)
    np.testing.assert_allclose(scores, exact, atol=2e-6 * dim)

    shuffled = rng.permutation(700)
    assert (scorer.score_pairs(queries, owner[shuffled], items[shuffled]) == scores[shuffled]).all()
    assert all(scorer.score_pairs(queries, owner[i : i + 1], items[i : i + 1]) == scores[i] for i in range(0, 700, 29))
    threads = torch.get_num_threads()
    try:
        for values, batch, number in ((1, 700, 2), (1 << 12, 13, 1), (1 << 24, 700, 2)):
            monkeypatch.setattr(dense, "SERIAL_VALUES", values)
            monkeypatch.setattr(dense, "SCORE_BATCH", batch)
            monkeypatch.setattr(dense, "COMPILED_BATCH", batch)
            torch.set_num_threads(number)
            assert (scorer.score_pairs(queries, owner, items) == scores).all()
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_large_catalogues_have_the_scores_of_small_ones(dtype, normalize, monkeypatch):
    rng = np.random.default_rng(0)
    # the shortest and the longest rows that the dtype holds, and one of zeros
    scales = (6e-8, 1.0, 6e4) if dtype == np.float16 else (1e-38, 1.0, 3e37)
    vectors = (rng.uniform(-1, 1, (301, 40)) * np.repeat([*scales, 0.0], [100, 100, 100, 1])[:, None]).astype(dtype)
    queries = torch.nn.functional.normalize(torch.from_numpy(rng.standard_normal((9, 40))), dim=1).float()
    owner, items = rng.integers(0, 9, 5000), rng.integers(0, 301, 5000)
    small = PairScorer(vectors, np.arange(301), normalize)
    monkeypatch.setattr(dense, "COMPILED_ITEMS", 301)
    large = PairScorer(EmbeddingStore([vectors[:150], vectors[150:]], {}), np.arange(301), normalize)
    assert large.is_compiled == loops.has_numba()
    assert not small.is_compiled
    found, expected = (scorer.score_pairs(queries, owner, items) for scorer in (large, small))
    lengths = 1 if normalize else np.linalg.norm(vectors.astype(np.float64), axis=1)[items]
    np.testing.assert_array_less(np.abs(found - expected), 1e-6 * lengths + 1e-44)
    assert np.isfinite(found).all()


def test_items_of_one_group_tie_exactly_and_normalized_scores_are_cosines(way):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((5, 24)).astype(np.float16)
    group_of_item = np.array([0, 0, 3, 4, 3])
    queries = torch.randn(1, 24)
    scores = PairScorer(vectors, group_of_item).score_pairs(queries, np.zeros(5, int), np.arange(5))
    assert scores[0] == scores[1]
    assert scores[2] == scores[4]
    unit = PairScorer(vectors, group_of_item, normalize=True).score_pairs(queries, np.zeros(5, int), np.arange(5))
    norms = np.linalg.norm(vectors[group_of_item].astype(np.float64), axis=1)
    np.testing.assert_allclose(unit, scores / norms, rtol=1e-5)


def test_a_zero_vector_scores_zero_when_normalized(way):
    scorer = PairScorer(np.zeros((1, 4), np.float32), np.zeros(1, int), normalize=True)
    assert scorer.score_pairs(torch.ones(1, 4), np.zeros(1, int), np.zeros(1, int)).tolist() == [0.0]


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("k", [1, 10, 500])
def test_top_items_are_the_largest_products_whatever_the_block(normalize, k, monkeypatch):
    rng = np.random.default_rng(0)
    vectors = (rng.standard_normal((90, 8)) * rng.uniform(0.1, 10, (90, 1))).astype(np.float32)
    queries = rng.standard_normal((5, 8)).astype(np.float32)
    rows = vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if normalize else vectors
    expected = np.argsort(-(queries.astype(np.float64) @ rows.T.astype(np.float64)), axis=1)[:, :k]
    assert (top_items(vectors, torch.from_numpy(queries), k, normalize) == expected).all()
    monkeypatch.setattr(store, "BLOCK_VALUES", 8 * 7)
    assert (top_items(vectors, torch.from_numpy(queries), k, normalize) == expected).all()


def test_a_large_catalogue_without_numba_is_scored_by_torch(monkeypatch):
    monkeypatch.setattr(dense, "COMPILED_ITEMS", 1)
    monkeypatch.setattr(loops, "has_numba", lambda: False)
    assert not PairScorer(np.zeros((1, 4), np.float32), np.zeros(1, int)).is_compiled


def test_rows_of_a_store_and_vectors_that_are_made_when_read_have_the_scores_of_an_array(way, monkeypatch):
    vectors = np.random.default_rng(0).standard_normal((40, 6)).astype(np.float32)
    kept = np.array([3, 30, 7, 39, 12, 31])

    class Made:
        shape = (6, 6)

        def __getitem__(self, rows: np.ndarray) -> np.ndarray:
            return vectors[kept[rows]]

    monkeypatch.setattr(store, "BLOCK_VALUES", 6 * 2)
    queries = torch.randn(4, 6)
    owner, items = np.repeat(np.arange(4), 6), np.tile(np.arange(6), 4)
    tables = vectors[kept], Rows(EmbeddingStore([vectors[:13], vectors[13:35], vectors[35:]], {}), kept), Made()
    scores = [PairScorer(table, np.arange(6)).score_pairs(queries, owner, items) for table in tables]
    assert (scores[0] == scores[1]).all()
    assert (scores[0] == scores[2]).all()


def test_a_sharded_store_gives_what_one_array_gives(way, tmp_path):
    vectors = np.random.default_rng(0).standard_normal((40, 6)).astype(np.float16)
    for name, part in (("a", vectors[:13]), ("b", vectors[13:])):
        np.save(tmp_path / f"{name}.npy", part)
    store = EmbeddingStore([np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "ab"], {})
    queries = torch.randn(4, 6)
    assert (top_items(store, queries, 9) == top_items(vectors, queries, 9)).all()
    owner, items = np.repeat(np.arange(4), 40), np.tile(np.arange(40), 4)
    scores = [PairScorer(one, np.arange(40)).score_pairs(queries, owner, items) for one in (store, vectors)]
    assert (scores[0] == scores[1]).all()


@pytest.mark.parametrize("scale", [1e-38, 1e-20, 1e-13, 1.0, 1e20, 1e37])
def test_rows_are_unit_length_whatever_their_scale(scale: float):
    rows = torch.tensor([[3.0, 4.0], [0.0, 0.0], [0.0, -1.0]])
    rows[[0, 2]] *= scale
    torch.testing.assert_close(unit_rows(rows), torch.tensor([[0.6, 0.8], [0.0, 0.0], [0.0, -1.0]]))


def test_unit_rows_of_usual_length_are_those_of_torch():
    rows = torch.randn(1000, 7, generator=torch.Generator().manual_seed(0))
    assert torch.equal(unit_rows(rows), torch.nn.functional.normalize(rows, dim=1))


@pytest.mark.parametrize("steps", [(1,), (7,), (100,), (3, 8), (40, 16, 5), (90, 1)])
def test_readers_get_the_blocks_that_they_would_get_alone_in_one_pass(steps):
    vectors = np.random.default_rng(0).standard_normal((41, 3)).astype(np.float16)
    read: list[tuple[int, int]] = []

    class Table:
        shape = (41, 3)

        def __getitem__(self, rows: slice) -> np.ndarray:
            read.append((rows.start, rows.stop))
            return vectors[rows]

    class Reader:
        def __init__(self, step: int) -> None:
            self.step = step
            self.blocks: list[tuple[int, list]] = []

        def take(self, start: int, rows: np.ndarray) -> None:
            assert rows.dtype == np.float16
            self.blocks.append((start, rows.tolist()))

    readers = [Reader(step) for step in steps]
    dense.read_once(Table(), readers)
    for reader in readers:
        starts = range(0, 41, reader.step)
        assert reader.blocks == [(start, vectors[start : start + reader.step].tolist()) for start in starts]
    assert [row for rows in read for row in range(*rows)] == list(range(41))
