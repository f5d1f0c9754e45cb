"""The rows of the table against a plain loop over users, and against published facts of a real dataset."""

import dataclasses
import importlib.util

import numpy as np
import pytest
import torch

from semid.embeddings import first_of_identical
from semid.errors import InputError
from semid.evaluation import (
    TABLE_COLUMNS,
    Benchmark,
    Catalogue,
    Cooccurrence,
    EvaluationSettings,
    Interactions,
    TokenizerCodes,
    benchmark,
    build_queries,
    controls,
    evaluate_controls,
    evaluate_tokenizer,
    whole_catalogue,
)
from semid.evaluation.metrics import METRICS, expected_metric
from semid.naming import TokenizerName
from semid.retrieval import CodeSpace, CodeTree, InvertedIndex, faiss_index
from semid.retrieval.strategies import candidates

NAME = TokenizerName.parse("rqkmeans_3x4-pca2-s1")
ALL_RERANKS = EvaluationSettings(rerank=("exact", "decoded"), min_candidates=20, budgets=(30, 7), resamples=50)
needs_faiss = pytest.mark.skipif(importlib.util.find_spec("faiss") is None, reason="faiss is not installed")


class World:
    """Random interactions with several test rows a user, over vectors whose products are exact and often equal."""

    def __init__(self, num_items: int = 300, dim: int = 4, num_users: int = 40, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        # entries of +-1 and a dimension that is a power of four: norms and products are exact in float32, so that a
        # reference in float64 sees the same ties, of identical vectors and of different ones
        self.vectors = rng.choice([-1.0, 1.0], (num_items, dim)).astype(np.float16)
        self.representatives = first_of_identical(self.vectors)
        self.codes = rng.integers(0, 4, (num_items, 3)).astype(np.uint16)
        self.index = InvertedIndex.build(self.codes)
        self.decoded = rng.choice([-1.0, 1.0], (self.index.num_buckets, dim)).astype(np.float32)
        lengths = rng.integers(3, 30, num_users)
        user = np.repeat(np.arange(num_users), lengths)
        place = np.concatenate([np.arange(length) - length for length in lengths])
        self.interactions = Interactions(
            user=user,
            item=rng.integers(-2, num_items, len(user)).clip(-1),
            timestamp=rng.integers(0, 3, len(user)).cumsum(),
            split=np.select([place >= -2, place == -3], [2, 1], 0).astype(np.int8),
        )
        self.queries = build_queries(self.interactions)
        self.training_counts = self.interactions.training_counts(num_items)
        self.cooccurrence = Cooccurrence.build(self.interactions.training_steps(), num_items)
        self.codebooks = torch.from_numpy(rng.standard_normal((3, 4, dim)).astype(np.float32))
        self.space = CodeSpace(CodeTree.build(self.index, self.codebooks), lambda rows: rows)

    def benchmark(self, settings: EvaluationSettings, normalize: bool = False, note: str = "") -> Benchmark:
        items = Catalogue(self.vectors, self.representatives, self.training_counts, normalize)
        return Benchmark("tiny", self.queries, items, settings, note)

    def tokenizer(self, **changes) -> TokenizerCodes:
        return dataclasses.replace(TokenizerCodes(NAME, self.index, self.space, self.decoded), **changes)


def benchmark_of(queries, vectors: np.ndarray, settings: EvaluationSettings) -> Benchmark:
    """The benchmark of a catalogue that nobody had in training."""
    counts = np.zeros(len(vectors), int)
    return Benchmark("tiny", queries, Catalogue(vectors, first_of_identical(vectors), counts), settings)


def no_steps(num_items: int) -> Cooccurrence:
    return Cooccurrence.build(np.zeros((0, 2), int), num_items)


def history_of(queries, i: int) -> list[int]:
    return queries.items[queries.start[i] : queries.stop[i]].tolist()


def candidates_of(world: World, history: list[int], strategy: str, budget: int, min_candidates: int) -> list[int]:
    codes = [tuple(row) for row in world.codes.tolist()]
    seen = {codes[h] for h in history}
    unseen = sorted(set(range(len(codes))) - set(history))

    def matching(related) -> list[int]:
        return [i for i in unseen if any(related(codes[i], code) for code in seen)]

    if strategy == "exact":
        return matching(lambda a, b: a == b)
    if strategy == "hamming1":
        return matching(lambda a, b: sum(x != y for x, y in zip(a, b, strict=True)) <= 1)
    if strategy == "all":
        return unseen
    if strategy == "probe":
        sums = sum(world.codebooks[level].double()[world.codes[:, level].astype(int)] for level in range(3)).numpy()
        distances = ((sums - world.vectors[history[-1]].astype(np.float64)) ** 2).sum(axis=1).round(9)
        return sorted(unseen, key=lambda i: (distances[i], i))[:budget]
    found: list[int] = []
    for depth in (3, 2, 1):
        found = matching(lambda a, b, depth=depth: a[:depth] == b[:depth])
        if len(found) >= min_candidates:
            break
    return found


def reference_metrics(
    world: World, strategy: str, item_vectors: np.ndarray, normalize: bool, budget: int = 0
) -> dict[str, float]:
    greater, equal, found, size = [], [], [], []
    for i in range(len(world.queries)):
        history, target = history_of(world.queries, i), world.queries.target[i]
        candidates = np.array(candidates_of(world, history, strategy, budget, ALL_RERANKS.min_candidates), int)
        query = world.vectors[history[-1]].astype(np.float64)
        rows = item_vectors.astype(np.float64)
        if normalize:
            rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        scores = rows @ query
        greater.append((scores[candidates] > scores[target]).sum())
        equal.append((scores[candidates] == scores[target]).sum())
        found.append(target in candidates)
        size.append(len(candidates))
    values = {
        metric: expected_metric(metric, np.array(greater), np.array(equal), np.array(found)) for metric in METRICS
    }
    return {
        "avg_cand_size": np.mean(size),
        "cand_recall": np.mean(found),
        **{metric: value.mean() for metric, value in values.items()},
        "recall@10_untied": values["recall@10"][world.queries.untied].mean(),
        "ndcg@10_untied": values["ndcg@10"][world.queries.untied].mean(),
    }


def evaluated(world: World, settings: EvaluationSettings = ALL_RERANKS, **changes):
    """Rows and ranks of the tokenizer of `world`, with some of what it brings changed."""
    return evaluate_tokenizer(world.benchmark(settings), world.tokenizer(**changes))


def assert_row(row, expected: dict[str, float]) -> None:
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize("dim", [4, 16])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("is_large", [False, True])
def test_rows_of_a_tokenizer_equal_a_plain_loop_over_users(dim, normalize, is_large, monkeypatch):
    monkeypatch.setattr("semid.retrieval.dense.COMPILED_ITEMS", 1 if is_large else 1 << 15)
    world = World(dim=dim)
    evaluation = evaluate_tokenizer(world.benchmark(ALL_RERANKS, normalize), world.tokenizer())
    rows, ranks = evaluation.rows, evaluation.ranks
    strategies = [("exact", 0), ("hamming1", 0), ("prefix", 0), ("probe", 7), ("probe", 30)]
    assert sorted(ranks) == sorted((*each, rerank) for each in strategies for rerank in ("exact", "decoded"))
    assert [(row["candidates"], row["budget"], row["rerank"]) for row in rows] == list(ranks)
    item_vectors = {"exact": world.vectors, "decoded": world.decoded[world.index.bucket_of_item]}
    for row in rows:
        vectors = item_vectors[row["rerank"]]
        assert_row(row, reference_metrics(world, row["candidates"], vectors, normalize, row["budget"]))
        assert set(row) == set(TABLE_COLUMNS)


@pytest.mark.parametrize("is_large", [False, True])
def test_rows_do_not_depend_on_how_queries_and_pairs_are_batched(is_large, monkeypatch):
    monkeypatch.setattr("semid.retrieval.dense.COMPILED_ITEMS", 1 if is_large else 1 << 15)
    world = World()

    def rows():
        found = [*evaluated(world).rows, *evaluate_controls(world.benchmark(ALL_RERANKS), world.cooccurrence).rows]
        return [{key: value for key, value in row.items() if key != "query_us"} for row in found]

    whole = rows()
    monkeypatch.setattr("semid.retrieval.dense.SCORE_BATCH", 11)
    monkeypatch.setattr("semid.retrieval.dense.COMPILED_BATCH", 11)
    monkeypatch.setattr("semid.retrieval.dense.SERIAL_VALUES", 12)
    monkeypatch.setattr("semid.embeddings.store.BLOCK_VALUES", 4 * 50)
    monkeypatch.setattr("semid.retrieval.tree.SCORES_AT_ONCE", 500)
    for module in (benchmark, whole_catalogue, controls, candidates):
        monkeypatch.setattr(module, "PAIR_BUDGET", 1 << 12)
    monkeypatch.setattr(benchmark, "QUERY_BLOCK", 1 << 3)
    assert rows() == whole


@pytest.mark.parametrize("dim", [4, 16])
def test_the_exact_search_of_the_whole_catalogue_equals_a_plain_loop_when_the_fetch_cuts_ties(dim):
    # dim 4: 16 distinct vectors of 300 items, so the fetch of 132 + seen ends inside groups of identical items;
    # dim 16: nearly every vector is distinct and many products are equal
    world = World(dim=dim)
    # a zero query ties the whole catalogue
    world.vectors[world.queries.items[world.queries.stop[:3] - 1]] = 0
    world.representatives = first_of_identical(world.vectors)
    row, *_ = evaluate_controls(world.benchmark(ALL_RERANKS), world.cooccurrence).rows
    assert (row["candidates"], row["rerank"], row["tokenizer"]) == ("all", "exact", "controls")
    assert_row(row, reference_metrics(world, "all", world.vectors, normalize=False))


def test_different_vectors_that_tie_where_the_fetch_is_cut_are_all_counted():
    # 50 items score 2, then 300 score 1; all differ in a coordinate that the query does not see
    vectors = np.zeros((351, 2), np.float32)
    vectors[:, 1] = np.arange(351)
    vectors[:50, 0], vectors[50:350, 0] = 2, 1
    vectors[350] = 1, 0
    interactions = Interactions(
        user=np.zeros(4, int), item=np.array([60, 3, 350, 340]), timestamp=np.arange(4), split=np.array([0, 0, 0, 2])
    )
    queries = build_queries(interactions)
    settings = EvaluationSettings(resamples=10)
    row, *_ = evaluate_controls(benchmark_of(queries, vectors, settings), no_steps(351)).rows
    # item 3 of the first kind and item 60 of the second are seen: 49 above, 299 like the target
    assert row["recall@50"] == pytest.approx(1 / 299)
    assert row["recall@100"] == pytest.approx(51 / 299)


def test_many_identical_items_above_and_at_the_target_are_all_counted():
    # 400 copies score above 400 others; the target is one of the first kind for user 0, of the second for user 1
    vectors = np.zeros((801, 4), np.float16)
    vectors[:400, 0] = 2
    vectors[400:800, 0] = 1
    vectors[800, 0] = 3
    interactions = Interactions(
        user=np.array([0, 0, 0, 1, 1, 1]),
        item=np.array([5, 800, 0, 5, 800, 500]),
        timestamp=np.arange(6),
        split=np.array([0, 0, 2, 0, 0, 2], np.int8),
    )
    settings = EvaluationSettings(resamples=10)
    row, *_ = evaluate_controls(benchmark_of(build_queries(interactions), vectors, settings), no_steps(801)).rows
    # 399 unseen copies tie for user 0
    assert row["recall@10"] == pytest.approx((10 / 399 + 0) / 2)
    assert row["mrr"] == pytest.approx(sum(1 / rank for rank in range(1, 101)) / 399 / 2)


@needs_faiss
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("query", ["last", "mean", "decay"])
def test_faiss_and_the_exact_search_give_the_same_rows(normalize, query, tmp_path):
    world = World(num_items=500, dim=16, num_users=80)
    rng = np.random.default_rng(5)
    # real values of different lengths, every vector several times, some items nearly the same
    vectors = (rng.standard_normal((60, 16)) * rng.uniform(0.5, 2, (60, 1))).astype(np.float16)[
        rng.integers(0, 60, 500)
    ]
    vectors[::7] += np.float16(1e-3)
    faiss_index.train_index(vectors, tmp_path / "trained.index", normalize=normalize)
    faiss_index.fill_index(tmp_path / "trained.index", vectors, 0, 500, tmp_path / "index.faiss", normalize=normalize)
    engine = faiss_index.load(tmp_path / "index.faiss")
    world.vectors, world.representatives = vectors, first_of_identical(vectors)
    ranked = world.benchmark(EvaluationSettings(query=query, resamples=50), normalize)
    rows = [evaluate_controls(ranked, world.cooccurrence, each).rows[0] for each in (None, engine)]
    assert [row.pop("rerank") for row in rows] == ["exact", "faiss"]
    for row in rows:
        row.pop("query_us")
    assert rows[0] == rows[1]
    assert rows[0]["recall@10"] > 0


def test_a_target_that_an_approximate_engine_misses_is_not_among_the_first():
    world = World(num_items=500, dim=16)

    class Blind:
        shape = (500, 16)

        def search(self, queries: torch.Tensor, k: int) -> np.ndarray:
            return np.full((len(queries), k), -1)

    row, *_ = evaluate_controls(world.benchmark(ALL_RERANKS), world.cooccurrence, Blind()).rows
    assert row["recall@100"] == row["mrr"] == 0
    assert row["cand_recall"] == 1


def test_popularity_equals_a_plain_loop_over_users():
    world = World()
    _, row, _ = evaluate_controls(world.benchmark(ALL_RERANKS), world.cooccurrence).rows
    assert (row["candidates"], row["tokenizer"], row["query"]) == ("popularity", "controls", "")
    counts = world.training_counts
    greater, equal = [], []
    for i, target in enumerate(world.queries.target):
        unseen = np.setdiff1d(np.arange(len(counts)), history_of(world.queries, i))
        greater.append((counts[unseen] > counts[target]).sum())
        equal.append((counts[unseen] == counts[target]).sum())
    found = np.ones(len(greater), bool)
    for metric in METRICS:
        expected = expected_metric(metric, np.array(greater), np.array(equal), found).mean()
        assert row[metric] == pytest.approx(expected, abs=1e-12)


def test_a_row_says_who_was_evaluated_and_how():
    world = World()
    settings = dataclasses.replace(ALL_RERANKS, query="decay", candidates=("exact",), rerank=("exact",))
    (row,) = evaluate_tokenizer(world.benchmark(settings, note="a note"), world.tokenizer()).rows
    said = ("dataset", "split", "tokenizer", "method", "variant", "num_levels", "codebook_size", "bits")
    assert {key: row[key] for key in said} == {
        "dataset": "tiny",
        "split": "test",
        "tokenizer": "rqkmeans_3x4-pca2-s1",
        "method": "rqkmeans",
        "variant": "pca2",
        "num_levels": 3,
        "codebook_size": 4,
        "bits": 6.0,
    }
    assert row["entropy_bits"] == pytest.approx(world.index.entropy_bits())
    assert (row["seed"], row["query"], row["note"]) == (1, "decay0.7x10", "a note")
    assert row["users"] == len(set(world.queries.user.tolist())) < row["queries"] == len(world.queries)
    assert row["untied_users"] == len(set(world.queries.user[world.queries.untied].tolist()))
    assert row["cold_start_skipped"] == world.queries.cold_start_skipped > 0
    assert row["cold_start_skipped"] == row["no_history_skipped"] + row["unknown_target_skipped"]
    assert row["seen_skipped"] == world.queries.seen_skipped
    assert row["recall@10_low"] <= row["recall@10"] <= row["recall@10_high"]
    assert row["ndcg@10_low"] <= row["ndcg@10"] <= row["ndcg@10_high"]
    rows = list(evaluate_controls(world.benchmark(settings), world.cooccurrence).rows)
    own = {"method", "variant", "num_levels", "codebook_size", "bits", "entropy_bits", "seed"}
    own |= {name for name in TABLE_COLUMNS if name.endswith(("_code", "_inflation"))}
    assert all(set(row) == set(TABLE_COLUMNS) - own for row in rows)


def test_flat_codes_have_no_hamming1_row():
    world = World()
    index = InvertedIndex.build(world.codes[:, :1])
    settings = EvaluationSettings(budgets=(20,), resamples=10)
    space = CodeSpace(CodeTree.build(index, world.codebooks[:1]), lambda rows: rows)
    rows = evaluated(world, settings, name=TokenizerName.parse("vqvae_4"), index=index, space=space).rows
    assert [row["candidates"] for row in rows] == ["exact", "prefix", "probe"]


def test_inputs_that_do_not_belong_together_are_refused():
    world = World()
    settings = EvaluationSettings()
    index = InvertedIndex.build(world.codes[:-1])
    with pytest.raises(InputError, match="codes of 299 items, but there are 300"):
        evaluated(world, settings, index=index)
    with pytest.raises(InputError, match="decoded"):
        evaluated(world, decoded=None)
    with pytest.raises(InputError, match="probe needs the codebooks"):
        evaluated(world, settings, space=None)
    with pytest.raises(InputError, match="item_index"):
        benchmark_of(world.queries, world.vectors[:100], settings)
    nobody = build_queries(dataclasses.replace(world.interactions, item=np.full(len(world.interactions.item), -1)))
    with pytest.raises(InputError, match="no query is left"):
        benchmark_of(nobody, world.vectors, settings)

    class Other:
        shape = (299, 4)

    with pytest.raises(InputError, match="faiss index of tiny holds 299"):
        evaluate_controls(world.benchmark(settings), world.cooccurrence, Other())


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("split", "train"),
        ("query", "first"),
        ("candidates", ("nearest",)),
        ("rerank", ("cosine",)),
        ("history", 0),
        ("decay", 0.0),
        ("decay", 1.5),
        ("resamples", 0),
        ("permutations", 0),
        ("budgets", ()),
        ("budgets", (100, 0)),
        ("max_users", -1),
        ("min_candidates", 0),
        ("seed", -1),
    ],
)
def test_a_wrong_setting_is_named(option, value):
    with pytest.raises(InputError, match=f"evaluation: {option} must be"):
        EvaluationSettings(**{option: value})
