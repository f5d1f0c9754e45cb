"""The inverted index and the candidate strategies against their definitions, item by item."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semid.errors import InputError
from semid.registries import load
from semid.retrieval import InvertedIndex, Ragged
from semid.retrieval.ragged import offsets_of, split_by_budget
from semid.retrieval.strategies import candidates as strategy_candidates
from semid.retrieval.strategies.candidates import IndexedCodes, QueryBlock
from semid.retrieval.strategies.registry import STRATEGIES, strategies_for_control, strategy_named


def ragged(lists: list[list[int]]) -> Ragged:
    values = np.array([value for one in lists for value in one], np.int64)
    return Ragged(values, offsets_of(np.array([len(one) for one in lists], np.int64)))


def lists(found: Ragged) -> list[list[int]]:
    return [found.values[a:b].tolist() for a, b in zip(found.offsets[:-1], found.offsets[1:], strict=True)]


def candidates(index: InvertedIndex, histories: list[list[int]], strategy: str, min_candidates: int = 100):
    """Candidates of every history, and the histories they are of, batch by batch."""
    settings = SimpleNamespace(min_candidates=min_candidates)
    found, numbers = [], []
    for batch, part in STRATEGIES[strategy].search(
        IndexedCodes("ours", index), QueryBlock(ragged(histories)), settings
    ):
        found += lists(part)
        numbers += range(batch.start, batch.stop)
    assert numbers == list(range(len(histories)))
    return found


def brute_force(codes: np.ndarray, history: list[int], strategy: str, min_candidates: int) -> set[int]:
    rows = [tuple(row) for row in codes.tolist()]
    seen = set(history)

    def unseen(related) -> set[int]:
        return {i for i, row in enumerate(rows) if i not in seen and any(related(row, rows[h]) for h in seen)}

    if strategy == "exact":
        return unseen(lambda a, b: a == b)
    if strategy == "hamming1":
        return unseen(lambda a, b: sum(x != y for x, y in zip(a, b, strict=True)) <= 1)
    for depth in range(codes.shape[1], 0, -1):
        found = unseen(lambda a, b, depth=depth: a[:depth] == b[:depth])
        if len(found) >= min_candidates:
            break
    return found


# test_retrieval_probe.py has the strategy that finds as many candidates as each budget says
WITHOUT_BUDGETS = [name for name, strategy in STRATEGIES.items() if "budgets" not in strategy.uses]


@st.composite
def catalogues(draw):
    levels = draw(st.integers(1, 4))
    size = draw(st.sampled_from([1, 2, 3, 5]))
    row = st.lists(st.integers(0, size - 1), min_size=levels, max_size=levels)
    codes = draw(st.lists(row, min_size=1, max_size=40))
    history = st.lists(st.integers(0, len(codes) - 1), max_size=6)
    return np.array(codes, np.uint16), draw(st.lists(history, max_size=8))


@settings(max_examples=300, deadline=None)
@given(catalogues(), st.sampled_from(WITHOUT_BUDGETS), st.integers(0, 12), st.sampled_from([1, 7, 1 << 20]))
def test_candidates_are_those_of_the_definition_each_once(catalogue, strategy, min_candidates, pair_budget):
    codes, histories = catalogue
    index = InvertedIndex.build(codes)
    if index.num_levels < STRATEGIES[strategy].min_levels:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strategy_candidates, "PAIR_BUDGET", pair_budget)
        found = candidates(index, histories, strategy, min_candidates)
    expected = [sorted(brute_force(codes, history, strategy, min_candidates)) for history in histories]
    assert [sorted(items) for items in found] == expected
    assert [sorted(items) for items in candidates(index, histories, strategy, min_candidates)] == expected


def test_all_items_in_one_bucket_are_candidates_of_each_other():
    index = InvertedIndex.build(np.full((50, 3), 7, np.uint16))
    for strategy in ("exact", "hamming1", "prefix"):
        assert candidates(index, [[3, 9]], strategy) == [[i for i in range(50) if i not in (3, 9)]]


def test_buckets_of_one_have_no_exact_candidates_and_prefix_stops_at_level_one():
    codes = np.array([[0, 0], [0, 1], [0, 2], [1, 0]], np.uint16)
    index = InvertedIndex.build(codes)
    assert candidates(index, [[0], [3]], "exact") == [[], []]
    assert candidates(index, [[0], [3]], "prefix", 100) == [[1, 2], []]


def test_prefix_backs_off_for_all_history_items_at_once():
    # item 0 alone would stop at depth 2 with item 1; together with item 2, whose bucket is itself, both go to depth 1
    codes = np.array([[0, 0], [0, 0], [1, 0], [0, 1], [1, 1]], np.uint16)
    index = InvertedIndex.build(codes)
    assert candidates(index, [[0, 2]], "prefix", 1) == [[1]]
    assert sorted(candidates(index, [[0, 2]], "prefix", 2)[0]) == [1, 3, 4]


def test_hamming1_is_not_for_flat_codes_and_unknown_names_are_refused():
    index = InvertedIndex.build(np.array([[0], [1]], np.uint16))
    assert STRATEGIES["hamming1"].min_levels == 2
    with pytest.raises(InputError, match="ours: candidates hamming1 need codes of 2 levels or more"):
        candidates(index, [[0]], "hamming1")
    with pytest.raises(InputError, match=", ".join(STRATEGIES)):
        strategy_named("nearest")


def test_a_strategy_is_what_its_line_of_the_registry_says():
    for name, strategy in STRATEGIES.items():
        function = load(strategy.find)
        assert function.__module__ == f"semid.retrieval.strategies.{name}"
        # codes and queries, then what it uses of the settings
        assert function.__code__.co_varnames[2 : function.__code__.co_argcount] == strategy.uses
    for codes, names in {"random": {"exact", "prefix", "probe"}, "categories": {"exact", "prefix"}}.items():
        assert names <= set(strategies_for_control(codes))
        assert "hamming1" not in strategies_for_control(codes)


def test_the_registry_needs_neither_numpy_nor_torch():
    program = (
        "import sys, semid.retrieval.strategies.registry; print([m for m in ('numpy', 'torch') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == "[]"


def test_index_holds_sorted_distinct_codes_and_items_grouped_in_order(tmp_path):
    rng = np.random.default_rng(0)
    # codes so long and wide that their bits do not fit in 64
    codes = rng.integers(0, 2, (200, 6)).astype(np.uint32) * 70_000
    index = InvertedIndex.build(codes)
    index.save(tmp_path)
    for one in (index, InvertedIndex.load(tmp_path)):
        assert one.codes.tolist() == sorted(map(list, {tuple(row) for row in codes.tolist()}))
        assert one.offsets.dtype == np.int64
        assert one.items.dtype == np.int32
        for bucket, code in enumerate(one.codes):
            members = one.items[one.offsets[bucket] : one.offsets[bucket + 1]]
            assert members.tolist() == np.flatnonzero((codes == code).all(axis=1)).tolist()
        assert (one.codes[one.bucket_of_item] == codes).all()
        assert (one.items[one.position_of_item] == np.arange(200)).all()


def test_prefix_groups_are_contiguous_and_wildcard_groups_agree_but_at_one_position():
    codes = np.random.default_rng(1).integers(0, 3, (60, 3))
    index = InvertedIndex.build(codes)
    for depth, groups in enumerate(index.prefix_groups, start=1):
        assert (groups.members == np.arange(index.num_buckets)).all()
        assert len(groups.offsets) - 1 == len({tuple(row) for row in codes[:, :depth].tolist()})
    for level, groups in enumerate(index.wildcard_groups):
        assert len(groups.offsets) - 1 == len({tuple(row) for row in np.delete(codes, level, axis=1).tolist()})
        for group, (a, b) in enumerate(zip(groups.offsets[:-1], groups.offsets[1:], strict=True)):
            members = groups.members[a:b]
            assert (groups.group_of_bucket[members] == group).all()
            assert len({tuple(row) for row in np.delete(index.codes[members], level, axis=1).tolist()}) == 1


def test_entropy_is_that_of_each_level():
    # level 1 is one code, level 2 two codes evenly, level 3 codes with shares 1/2, 1/4, 1/4
    index = InvertedIndex.build(np.array([[5, 0, 0], [5, 1, 0], [5, 0, 1], [5, 1, 2]]))
    assert index.entropy_bits() == pytest.approx(0 + 1 + 1.5)


@pytest.mark.parametrize("codes", [np.zeros((0, 2), int), np.zeros((3, 0), int), np.zeros(3, int), np.zeros((3, 2))])
def test_codes_that_are_no_table_of_integers_are_refused(codes):
    with pytest.raises(InputError, match="expected integers"):
        InvertedIndex.build(codes)


def test_a_missing_broken_or_foreign_index_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"codes\.npy"):
        InvertedIndex.load(tmp_path)
    InvertedIndex.build(np.array([[0], [1]])).save(tmp_path)
    np.save(tmp_path / "items.npy", np.arange(3, dtype=np.int32))
    with pytest.raises(InputError, match="not of one inverted index"):
        InvertedIndex.load(tmp_path)
    (tmp_path / "offsets.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match=r"offsets\.npy"):
        InvertedIndex.load(tmp_path)


def test_batches_stay_within_the_budget_unless_one_entry_exceeds_it():
    costs = np.array([3, 4, 5, 20, 0, 0, 1])
    assert [(s.start, s.stop) for s in split_by_budget(costs, 8)] == [(0, 2), (2, 3), (3, 4), (4, 7)]
    assert list(split_by_budget(np.zeros(0), 8)) == []
