"""Probing finds the unseen items of the nearest buckets."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semid.errors import InputError
from semid.retrieval import tree
from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.ragged import Ragged, offsets_of
from semid.retrieval.strategies import probe
from semid.retrieval.strategies.candidates import IndexedCodes, QueryBlock
from semid.retrieval.strategies.probe import find_probe, probe_batches
from semid.retrieval.tree import CodeSpace, CodeTree


def problem(items: int, levels: int, size: int, queries: int, seed: int):
    """Codes [items, L], codebooks, latent queries, and histories of 0 to 3 items."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, size, (items, levels)).astype(np.uint16)
    codebooks = torch.from_numpy(rng.standard_normal((levels, size, 3)).astype(np.float32))
    latent = torch.from_numpy(rng.standard_normal((queries, 3)).astype(np.float32))
    lengths = rng.integers(0, min(4, items + 1), queries)
    return codes, codebooks, latent, Ragged(rng.integers(0, items, lengths.sum()), offsets_of(lengths))


def distances(codes: np.ndarray, codebooks: torch.Tensor, latent: torch.Tensor) -> np.ndarray:
    """Squared distances float64 [queries, items] of queries to the sums of the items' codewords."""
    sums = sum(codebooks[level].double()[codes[:, level].astype(int)] for level in range(codes.shape[1]))
    return (latent.double()[:, None] - sums).square().sum(dim=2).numpy()


def check(codes, codebooks, latent, history, budget):
    index = InvertedIndex.build(codes)
    far = distances(codes, codebooks, latent)
    covered = []
    for rows, found in probe_batches(index, CodeTree.build(index, codebooks), latent, history, budget):
        covered += range(rows.start, rows.stop)
        for number, query in enumerate(range(rows.start, rows.stop)):
            own = found.values[found.offsets[number] : found.offsets[number + 1]]
            seen = history.values[history.offsets[query] : history.offsets[query + 1]]
            unseen = np.setdiff1d(np.arange(len(codes)), seen)
            assert len(own) == len(set(own)) == min(budget, len(unseen))
            assert not set(own) & set(seen)
            # nearest first, and nothing nearer was left out
            assert (np.diff(far[query, own]) >= -1e-4).all()
            left = np.setdiff1d(unseen, own)
            if len(left) and len(own):
                assert far[query, own].max() <= far[query, left].min() + 1e-4
    assert covered == list(range(len(latent)))


shapes = (st.integers(1, 60), st.integers(1, 4), st.integers(1, 7), st.integers(1, 12), st.integers(0, 999))


@settings(deadline=None, max_examples=80)
@given(*shapes, st.integers(1, 70))
def test_the_unseen_items_of_the_nearest_buckets_are_found_in_order(items, levels, size, queries, seed, budget):
    check(*problem(items, levels, size, queries, seed), budget)


@settings(deadline=None, max_examples=80)
@given(*shapes)
def test_a_beam_as_wide_as_the_tree_finds_the_same(items, levels, size, queries, seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree, "NODES_AT_ONCE", 3)
        patch.setattr(tree, "SCORES_AT_ONCE", 8)
        check(*problem(items, levels, size, queries, seed), 60)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60), st.lists(st.integers(1, 7), min_size=2, max_size=4), st.integers(0, 999), st.booleans())
def test_codebooks_of_unlike_sizes_are_padded_by_what_is_never_read(items, sizes, seed, narrow):
    _, codebooks, latent, history = problem(items, len(sizes), max(sizes), 9, seed)
    codes = np.random.default_rng(seed).integers(0, sizes, (items, len(sizes))).astype(np.uint16)
    for codebook, size in zip(codebooks, sizes, strict=True):
        codebook[size:] = float("nan")
    with pytest.MonkeyPatch.context() as patch:
        if narrow:
            patch.setattr(tree, "NODES_AT_ONCE", 3)
        check(codes, codebooks, latent, history, 60)


def test_a_narrow_beam_finds_most_of_what_is_nearest(monkeypatch: pytest.MonkeyPatch):
    codes, codebooks, latent, history = problem(5000, 4, 16, 50, 0)
    codebooks *= torch.tensor([1, 0.4, 0.2, 0.1])[:, None, None]
    monkeypatch.setattr(tree, "NODES_AT_ONCE", 300)
    index = InvertedIndex.build(codes)
    found = [part for _, part in probe_batches(index, CodeTree.build(index, codebooks), latent, history, 100)]
    nearest = distances(codes, codebooks, latent).argsort(axis=1)[:, :100]
    values = np.concatenate([part.values for part in found]).reshape(50, 100)
    assert np.mean([len(np.intersect1d(a, b)) / 100 for a, b in zip(values, nearest, strict=True)]) > 0.9


def test_the_largest_budget_is_found_with_the_vectors_in_their_length():
    codes, codebooks, latent, history = problem(60, 2, 5, 8, 1)
    index = InvertedIndex.build(codes)
    codes_tree = CodeTree.build(index, codebooks)
    indexed = IndexedCodes("ours", index, CodeSpace(codes_tree, lambda rows: 2 * rows))
    queries = QueryBlock(history, lambda: latent)
    ((rows, found),) = find_probe(indexed, queries, budgets=(3, 20, 7))
    ((_, expected),) = probe_batches(index, codes_tree, 2 * latent, history, 20)
    assert rows == slice(0, 8)
    assert found.values.tolist() == expected.values.tolist()


def test_codes_without_codebooks_cannot_be_probed():
    codes, codebooks, latent, history = problem(60, 2, 5, 8, 1)
    index = InvertedIndex.build(codes)
    with pytest.raises(InputError, match="ours: candidates probe needs the codebooks"):
        find_probe(IndexedCodes("ours", index), QueryBlock(history, lambda: latent), budgets=(3,))
    space = CodeSpace(CodeTree.build(index, codebooks), lambda rows: rows)
    with pytest.raises(InputError, match="ours: candidates probe needs the codebooks"):
        find_probe(IndexedCodes("ours", index, space), QueryBlock(history), budgets=(3,))


@settings(deadline=None, max_examples=60)
@given(*shapes, st.integers(1, 70), st.integers(1, 40))
def test_the_same_is_found_however_few_children_and_pairs_are_held(items, levels, size, queries, seed, budget, held):
    codes, codebooks, latent, history = problem(items, levels, size, queries, seed)
    # whole numbers, and codewords that repeat: many buckets are equally far
    codebooks = codebooks.round()
    codebooks[:, size // 2 :] = codebooks[:, : size - size // 2].clone()
    index = InvertedIndex.build(codes)

    def found() -> list[list[int]]:
        batches = list(probe_batches(index, CodeTree.build(index, codebooks), latent, history, budget))
        assert [query for rows, _ in batches for query in range(rows.start, rows.stop)] == list(range(queries))
        return [
            part.values[start:stop].tolist()
            for _, part in batches
            for start, stop in zip(part.offsets[:-1], part.offsets[1:], strict=True)
        ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree, "NODES_AT_ONCE", 3)
        whole = found()
        patch.setattr(tree, "CHILDREN_AT_ONCE", held)
        patch.setattr(probe, "PAIR_BUDGET", held)
        assert found() == whole
