"""Paired comparisons: intervals that cover, p values that are uniform when nothing differs, corrections by hand."""

import numpy as np
import pytest
from scipy import stats

from semid.analysis import paired_tests
from semid.analysis.comparisons import COMPARISON_COLUMNS, comparison_rows, group_seeds
from semid.analysis.paired_tests import holm, paired_differences
from semid.errors import InputError
from semid.evaluation import EvaluationSettings
from semid.evaluation.metrics import expected_metric
from semid.evaluation.queries import Queries
from semid.evaluation.ranks_file import RanksFile, write_ranks
from semid.evaluation.target_ranks import Ranking, Ranks

EXACT = Ranking("exact", 0, "exact")
PROBE = Ranking("probe", 100, "exact")


def queries_of(user: np.ndarray) -> Queries:
    n = len(user)
    return Queries(
        user, np.zeros(n, int), np.ones(n, bool), np.zeros(1, int), np.zeros(n, int), np.ones(n, int), 0, 0, 0
    )


def ranks_of(greater: np.ndarray) -> Ranks:
    """Every target found, `greater` items above it, no ties, 50 candidates."""
    ranks = Ranks(len(greater))
    ranks.greater[:] = greater
    ranks.equal += 1
    ranks.found[:] = True
    ranks.size[:] = 50
    return ranks


@pytest.fixture
def files(tmp_path):
    def write(name: str, ranks: dict[Ranking, Ranks]) -> RanksFile:
        write_ranks(tmp_path / f"{name}.parquet", ranks)
        return RanksFile.open(tmp_path / f"{name}.parquet", len(next(iter(ranks.values())).found))

    return write


@pytest.mark.parametrize("seed", range(4))
def test_p_equals_the_test_over_all_signs(seed):
    rng = np.random.default_rng(seed)
    values = rng.choice([0, 0.25, 1 / 3, 0.5, 1], (14, 3, 1)) + (rng.random((14, 3, 1)) if seed % 2 else 0)
    found = paired_differences(values, resamples=1, permutations=100_000)
    for pair, (a, b) in enumerate([(0, 1), (0, 2), (1, 2)]):
        samples = (values[:, a, 0] - values[:, b, 0],)
        exact = stats.permutation_test(samples, np.sum, permutation_type="samples", n_resamples=np.inf).pvalue
        # four standard deviations of 100,000 draws
        assert found.p[pair, 0] == pytest.approx(exact, abs=0.0063)


def test_p_of_hits_is_that_of_the_exact_sign_test():
    # with hits and misses the permutation test is the exact form of McNemar's: sums are tied with the observed one
    rng = np.random.default_rng(5)
    for _ in range(20):
        values = (rng.random((400, 2, 1)) < [[[0.06], [0.09]]]).astype(float)
        better, worse = (int((values[:, 0] > values[:, 1]).sum()), int((values[:, 0] < values[:, 1]).sum()))
        found = paired_differences(values, resamples=1, permutations=40_000)
        assert found.p[0, 0] == pytest.approx(stats.binomtest(better, better + worse).pvalue, abs=0.01)


def test_p_is_uniform_when_tokenizers_can_be_exchanged():
    rng = np.random.default_rng(6)
    trials = 1000
    p = np.empty((trials, 2))
    for trial in range(trials):
        hits = rng.random((80, 2)) < rng.beta(1, 4, (80, 1))
        values = np.stack([hits, hits * rng.random((80, 2))], axis=2)
        p[trial] = paired_differences(values, resamples=1, permutations=199, seed=trial).p[0]
    for level in (0.05, 0.1, 0.25, 0.5, 0.75):
        band = 4 * np.sqrt(level * (1 - level) / trials)
        of_hits, of_reals = (p <= level + 1e-9).mean(axis=0)
        # sums of hits are discrete, so that fewer p values than `level` may be that small, never more
        assert level / 3 - band <= of_hits <= level + band
        assert of_reals == pytest.approx(level, abs=band)


def test_intervals_of_the_difference_cover_it_and_pairing_narrows_them():
    rng = np.random.default_rng(7)
    covered, widths = 0, []
    for trial in range(300):
        ease = rng.random(400)
        values = np.column_stack([rng.random(400) < 0.8 * ease, rng.random(400) < 0.6 * ease])[:, :, None].astype(float)
        found = paired_differences(values, resamples=300, permutations=1, seed=trial)
        covered += found.low[0, 0] <= 0.1 <= found.high[0, 0]
        widths.append((found.high - found.low)[0, 0])
        assert found.low[0, 0] <= found.difference[0, 0] <= found.high[0, 0]
    # 300 trials at 0.95: four standard deviations are 0.05
    assert 0.9 <= covered / 300 <= 0.995
    unpaired = 2 * 1.96 * np.sqrt((0.4 * 0.6 + 0.3 * 0.7) / 400)
    assert np.mean(widths) < unpaired


def test_equal_tokenizers_differ_by_nothing_and_unequal_ones_significantly():
    rng = np.random.default_rng(8)
    same = rng.random((500, 1)) * (rng.random((500, 1)) < 0.2)
    better = np.where(rng.random((500, 1)) < 0.5, same + 0.1, same)
    found = paired_differences(np.stack([same, same, better], axis=1), permutations=999)
    assert found.difference[0, 0] == found.low[0, 0] == found.high[0, 0] == 0
    assert found.p[0, 0] == 1
    assert found.p[1:, 0].tolist() == [0.001, 0.001]
    assert (found.high[1:] < 0).all()


def test_users_without_a_hit_count_in_the_mean_and_not_in_p():
    rng = np.random.default_rng(9)
    values = (rng.random((300, 2, 1)) < 0.3).astype(float)
    padded = np.concatenate([np.zeros((700, 2, 1)), values])
    few, many = (paired_differences(part, permutations=500) for part in (values, padded))
    assert many.p == few.p
    assert many.difference == pytest.approx(0.3 * few.difference)
    assert many.high - many.low == pytest.approx(0.3 * (few.high - few.low), rel=0.1)


def test_the_seed_alone_decides_and_memory_is_cut_into_blocks(monkeypatch):
    values = np.random.default_rng(10).random((1000, 3, 2))
    whole = paired_differences(values, 100, 500, seed=1)
    assert (paired_differences(values, 100, 500, seed=2).p != whole.p).any()
    monkeypatch.setattr(paired_tests, "FLIPS_AT_ONCE", 70)
    again = paired_differences(values, 100, 500, seed=1)
    np.testing.assert_array_equal(again.p, whole.p)
    np.testing.assert_allclose([again.low, again.high], [whole.low, whole.high], atol=1e-12)


def test_p_values_are_corrected_as_by_hand():
    # 0.005 · 4, 0.01 · 3, 0.03 · 2, and 0.04 not below the one before it
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.6, 0.02, 0.7])), [1, 0.06, 1])
    assert holm(np.array([0.2])).tolist() == [0.2]


def test_seeds_of_a_tokenizer_are_one_group():
    names = ["rqvae_4x256", "vqvae_64", "rqvae_4x256-s1", "rqvae_4x256-tiger-s2", "rqvae_4x256-s2"]
    assert group_seeds(names) == {
        "rqvae_4x256": ["rqvae_4x256", "rqvae_4x256-s1", "rqvae_4x256-s2"],
        "vqvae_64": ["vqvae_64"],
        "rqvae_4x256-tiger": ["rqvae_4x256-tiger-s2"],
    }
    with pytest.raises(InputError, match="'rqvae' is no tokenizer name"):
        group_seeds(["rqvae"])


def test_a_user_is_averaged_over_queries_and_seeds_before_pairing(files):
    # three users, the first with two queries; ranks 1 and 10 hit, 100 does not
    queries = queries_of(np.array([5, 5, 2, 9]))
    tokenizers = {
        "a": [files("a", {EXACT: ranks_of([0, 99, 99, 0])}), files("a1", {EXACT: ranks_of([9, 9, 99, 99])})],
        "b": [files("b", {EXACT: ranks_of([99, 99, 0, 0])})],
    }
    recall, ndcg = comparison_rows("beauty", tokenizers, queries, EvaluationSettings(permutations=50_000))
    assert set(recall) == set(COMPARISON_COLUMNS)
    assert (recall["tokenizer_a"], recall["tokenizer_b"]) == ("a", "b")
    assert (recall["seeds_a"], recall["seeds_b"], recall["users"]) == (2, 1, 3)
    assert recall["avg_cand_size_a"] == 50
    # users 2, 5, 9: a 0, (1/2 + 1) / 2, 1/2; b 1, 0, 1
    assert recall["mean_a"] == pytest.approx((0.75 + 0.5) / 3)
    assert recall["mean_b"] == pytest.approx(2 / 3)
    assert recall["difference"] == pytest.approx((-1 + 0.75 - 0.5) / 3)
    # of the eight sums ±1 ± 0.75 ± 0.5 six are at least 0.75 from 0
    assert recall["p"] == pytest.approx(6 / 8, abs=0.01)
    gain = expected_metric("ndcg@10", *np.array([[0, 9, 99], [1, 1, 1]]), np.ones(3, bool))
    assert ndcg["metric"] == "ndcg@10"
    assert ndcg["mean_a"] == pytest.approx(((gain[0] / 2 + gain[1]) / 2 + gain[0] / 2) / 3)


def test_pairs_are_formed_where_both_exist_and_corrected_within_their_family(files):
    rng = np.random.default_rng(11)
    queries = queries_of(np.arange(200))
    tokenizers = {
        name: [files(name, {strategy: ranks_of(rng.integers(0, reach, 200)) for strategy in held})]
        for name, reach, held in (
            ("a", 40, (EXACT, PROBE)),
            ("b", 20, (PROBE, EXACT)),
            ("c", 40, (PROBE,)),
            ("d", 40, (Ranking("probe", 500, "exact"),)),
        )
    }
    rows = comparison_rows("beauty", tokenizers, queries, EvaluationSettings(permutations=999))
    told = [(row["candidates"], row["budget"], row["metric"], row["tokenizer_a"], row["tokenizer_b"]) for row in rows]
    probe = [("a", "b"), ("a", "c"), ("b", "c")]
    assert told == [
        *(("exact", 0, metric, "a", "b") for metric in ("recall@10", "ndcg@10")),
        *(("probe", 100, metric, *pair) for metric in ("recall@10", "ndcg@10") for pair in probe),
    ]
    assert [row["p_holm"] for row in rows[:2]] == [row["p"] for row in rows[:2]]
    for family in (rows[2:5], rows[5:]):
        np.testing.assert_allclose([row["p_holm"] for row in family], holm(np.array([row["p"] for row in family])))
    assert rows == comparison_rows("beauty", tokenizers, queries, EvaluationSettings(permutations=999))


@pytest.mark.parametrize("at_once", [30, 64, 1024])
def test_signs_are_those_of_one_stream_of_random_numbers(monkeypatch, at_once):
    monkeypatch.setattr(paired_tests, "FLIPS_AT_ONCE", at_once)
    values = np.random.default_rng(11).random((1000, 3))
    values[::7] = 0
    rng = np.random.default_rng(4)
    kept, sums = values[values.any(axis=1)], np.zeros((100, 3))
    for start in range(0, len(kept), paired_tests.USERS_AT_ONCE):
        block = kept[start : start + paired_tests.USERS_AT_ONCE]
        bits = rng.integers(256, size=(100, paired_tests.USERS_AT_ONCE // 8), dtype=np.uint8)
        sums += (2.0 * np.unpackbits(bits, axis=1, count=len(block)) - 1) @ block
    blocks = list(paired_tests._flipped_sums(values, 100, seed=4))
    assert max(map(len, blocks)) <= at_once
    np.testing.assert_allclose(np.concatenate(blocks), sums, atol=1e-12)
