"""The file of ranks gives back what was written, a strategy at a time; ranks among codes against their definition."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semid.errors import InputError
from semid.evaluation.metrics import METRICS, expected_metric
from semid.evaluation.ranks_file import OUTCOMES, RanksFile, write_ranks
from semid.evaluation.target_ranks import Ranking, Ranks, code_columns, code_ranks

EXACT = Ranking("exact", 0, "exact")
PROBE = Ranking("probe", 100, "exact")
DECODED = Ranking("probe", 100, "decoded")


def random_ranks(n: int, seed: int) -> Ranks:
    rng = np.random.default_rng(seed)
    ranks = Ranks(n)
    ranks.greater, ranks.equal, ranks.size = rng.integers(0, [[1000], [3], [2**31 - 1]], (3, n))
    ranks.found = rng.random(n) < 0.5
    return ranks


def told(owner, scores, bucket, target_bucket) -> list[tuple[int, int, bool]]:
    """The definition, query by query."""
    told = []
    for query, own in enumerate(target_bucket):
        best: dict[int, float] = {}
        for score, code in zip(scores[owner == query], bucket[owner == query], strict=True):
            best[code] = max(score, best.get(code, -np.inf))
        above = sum(score > best[own] for score in best.values()) if own in best else 0
        like = sum(score == best[own] for score in best.values()) if own in best else 0
        told.append((above, like, own in best))
    return told


def test_ranks_come_back_as_written_one_strategy_at_a_time(tmp_path):
    written = {EXACT: random_ranks(500, 0), DECODED: random_ranks(500, 1), PROBE: random_ranks(500, 2)}
    write_ranks(tmp_path / "results" / "ranks.parquet", written)
    file = RanksFile.open(tmp_path / "results" / "ranks.parquet", 500)
    assert file.strategies == (EXACT, DECODED, PROBE)
    for strategy in (PROBE, EXACT, DECODED):
        found = file.read(strategy)
        for name in OUTCOMES:
            own = getattr(found, name)
            assert own.dtype == getattr(Ranks(0), name).dtype
            np.testing.assert_array_equal(own, getattr(written[strategy], name))


def test_a_strategy_is_a_row_group_however_many_queries_and_small(tmp_path):
    n = (1 << 20) + 1
    ranks = Ranks(n)
    write_ranks(tmp_path / "ranks.parquet", {EXACT: ranks, PROBE: ranks})
    assert pq.read_metadata(tmp_path / "ranks.parquet").num_row_groups == 2
    assert (tmp_path / "ranks.parquet").stat().st_size < n / 10
    assert len(RanksFile.open(tmp_path / "ranks.parquet", n).read(PROBE).found) == n


def test_the_file_is_a_table_for_other_tools(tmp_path):
    ranks = random_ranks(4, 3)
    write_ranks(tmp_path / "ranks.parquet", {EXACT: ranks, PROBE: ranks})
    table = pd.read_parquet(tmp_path / "ranks.parquet")
    assert table["candidates"].tolist() == ["exact"] * 4 + ["probe"] * 4
    assert isinstance(table["candidates"].dtype, pd.CategoricalDtype)
    assert table["budget"].tolist() == [0] * 4 + [100] * 4
    assert table["query"].tolist() == [0, 1, 2, 3] * 2
    assert table.dtypes[["budget", "query", "greater", "equal", "size"]].eq("int32").all()
    assert table["found"].dtype == bool


def test_a_count_that_does_not_fit_is_refused_and_nothing_is_written(tmp_path):
    ranks = Ranks(2)
    ranks.size[1] = 2**31
    with pytest.raises(pa.ArrowInvalid):
        write_ranks(tmp_path / "ranks.parquet", {EXACT: ranks})
    assert not list(tmp_path.iterdir())


def test_files_that_cannot_be_used_are_named(tmp_path):
    path = tmp_path / "ranks.parquet"
    with pytest.raises(InputError, match=r"ranks\.parquet cannot be used"):
        RanksFile.open(path, 5)
    path.write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"ranks\.parquet cannot be used"):
        RanksFile.open(path, 5)
    pd.DataFrame({"query": [1]}).to_parquet(path)
    with pytest.raises(InputError, match="its columns are query"):
        RanksFile.open(path, 1)
    write_ranks(path, {EXACT: random_ranks(5, 0)})
    with pytest.raises(InputError, match="ranks of 5 queries, expected 6"):
        RanksFile.open(path, 6)


def test_ranks_among_codes_of_an_example():
    # query 0: the code 7 comes first through another item than the target; query 1: its code is no candidate's
    owner = np.array([0, 0, 0, 0, 0, 1])
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.6, 1.0], np.float32)
    bucket = np.array([3, 3, 7, 7, 5, 2])
    greater, equal, found = code_ranks(owner, scores, bucket, np.array([7, 4]))
    assert greater.tolist() == [1, 0]
    assert equal.tolist() == [1, 0]
    assert found.tolist() == [True, False]


def test_ranks_among_codes_equal_their_definition():
    rng = np.random.default_rng(1)
    for _ in range(100):
        owner = rng.permutation(rng.integers(0, 12, rng.integers(0, 150)))
        scores = rng.integers(0, rng.choice([2, 8, 1000]), len(owner)).astype(np.float32)
        bucket, target_bucket = rng.integers(0, 9, len(owner)), rng.integers(0, 12, 12)
        greater, equal, found = code_ranks(owner, scores, bucket, target_bucket)
        assert list(zip(greater, equal, found, strict=True)) == told(owner, scores, bucket, target_bucket)


def test_metrics_among_codes_are_never_below_those_among_items():
    rng = np.random.default_rng(2)
    for distinct in (2, 10, 1000):
        owner, item = np.repeat(np.arange(200), 60), np.tile(np.arange(60), 200)
        scores, buckets = rng.integers(0, distinct, len(owner)).astype(np.float32), rng.integers(0, 25, 60)
        target = rng.integers(0, 60, 200)
        own = scores[np.arange(200) * 60 + target][owner]
        items = [np.bincount(owner[above], minlength=200) for above in (scores > own, scores == own)]
        greater, equal, found = code_ranks(owner, scores, buckets[item], buckets[target])
        assert found.all()
        for metric in METRICS:
            gained = expected_metric(metric, greater, equal, found) - expected_metric(metric, *items, found)
            assert gained.min() > -1e-12
        assert gained.max() > 0


def test_unique_codes_are_not_inflated_and_shared_codes_are():
    rng = np.random.default_rng(3)
    owner, item = np.repeat(np.arange(50), 40), np.tile(np.arange(40), 50)
    scores = rng.random(2000).astype(np.float32)
    target = rng.integers(0, 40, 50)
    columns = []
    for buckets in (np.arange(40), np.arange(40) // 4):
        items, codes = Ranks(50), Ranks(50)
        items.greater = np.bincount(owner[scores > scores[np.arange(50) * 40 + target][owner]], minlength=50)
        items.equal += 1
        items.found[:] = True
        codes.greater, codes.equal, codes.found = code_ranks(owner, scores, buckets[item], buckets[target])
        columns.append(code_columns(items, codes))
    unique, shared = columns
    assert unique["recall@10_inflation"] == unique["ndcg@10_inflation"] == 1
    assert shared["recall@10_code"] == 1  # ten codes are all there are
    assert shared["recall@10_inflation"] == pytest.approx(1 / unique["recall@10_code"])
    nothing = Ranks(50)
    assert code_columns(nothing, nothing) == {"recall@10_code": 0.0, "ndcg@10_code": 0.0}
