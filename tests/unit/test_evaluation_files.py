"""What the jobs of the evaluation open: a benchmark from files, and the ranks of several seeds."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_embeddings_store import random_vectors, write_store

from semid.analysis.comparisons import open_ranks
from semid.analysis.slices import SLICE_COLUMNS, write_slices
from semid.embeddings import first_of_identical, write_first_of_identical
from semid.errors import InputError
from semid.evaluation import build_queries
from semid.evaluation.controls import write_control_evaluation
from semid.evaluation.files import BenchmarkOptions, fitted_settings, open_benchmark, open_queries
from semid.evaluation.query_choice import write_query_choice
from semid.evaluation.ranks_file import RanksFile, write_ranks
from semid.evaluation.settings import EvaluationSettings
from semid.evaluation.table import read_table
from semid.evaluation.target_ranks import Ranking, Ranks

USERS, ITEMS = 40, 30


class Files(SimpleNamespace):
    def get(self, name):
        return getattr(self, name, None)


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "user_id": np.repeat([f"u{user}" for user in range(USERS)], 4),
            "item_index": np.concatenate([rng.permutation(ITEMS)[:4] for _ in range(USERS)]),
            "timestamp": np.arange(4 * USERS),
        }
    )
    for name, places in (("train", (0, 1)), ("valid", (2,)), ("test", (3,))):
        table[np.isin(np.arange(len(table)) % 4, places)].to_parquet(tmp_path / f"{name}.parquet")
    vectors = random_vectors(ITEMS, 4)
    vectors[5] = vectors[3]
    manifest = write_store(tmp_path / "embeddings", vectors, 2)
    pq.write_table(pa.table({"in_core": [True] * ITEMS}), tmp_path / "items.parquet")
    write_first_of_identical(manifest, tmp_path / "first_of_identical.npy")
    return Files(
        splits=[str(tmp_path / f"{name}.parquet") for name in ("train", "valid", "test")],
        catalogue=str(tmp_path / "items.parquet"),
        manifest=str(manifest),
        representatives=str(tmp_path / "first_of_identical.npy"),
        vectors=vectors,
        table=table,
    )


def test_a_benchmark_is_opened_from_its_files(files):
    benchmark, interactions = open_benchmark(
        files, BenchmarkOptions("tiny", {"seed": 3, "max_users": 10}, True, "a note")
    )
    assert (benchmark.dataset, benchmark.note, benchmark.items.normalize) == ("tiny", "a note", True)
    assert benchmark.settings == EvaluationSettings(seed=3, max_users=10)
    assert (benchmark.items.vectors[:] == files.vectors).all()
    assert (benchmark.items.representatives == first_of_identical(files.vectors)).all()
    training = files.table["item_index"][np.arange(4 * USERS) % 4 < 2]
    assert benchmark.items.training_counts.tolist() == np.bincount(training, minlength=ITEMS).tolist()
    expected = build_queries(interactions, "test", 10, 3)
    assert benchmark.queries.target.tolist() == expected.target.tolist()
    assert benchmark.queries.num_users == 10
    queries, _ = open_queries(files.splits, benchmark.settings)
    assert queries.target.tolist() == expected.target.tolist()


def test_the_validation_split_is_opened_without_the_test_split(files):
    files.splits = files.splits[:2]
    benchmark, interactions = open_benchmark(files, BenchmarkOptions("tiny", {"split": "valid"}))
    assert len(benchmark.queries) == USERS
    assert set(interactions.split.tolist()) == {0, 1}


def test_a_fitted_query_takes_the_place_of_fit(files, tmp_path):
    files.query = tmp_path / "query.json"
    files.query.write_text(json.dumps({"query": "decay", "decay": 0.5, "history": 5}))
    benchmark, _ = open_benchmark(files, BenchmarkOptions("tiny", {"query": "fit"}))
    assert benchmark.settings == EvaluationSettings(query="decay", decay=0.5, history=5)
    with pytest.raises(InputError, match=r"needs the query\.json"):
        open_benchmark(Files(splits=files.splits), BenchmarkOptions("tiny", {"query": "fit"}))


def test_few_users_are_a_sample_of_at_most_so_many(files):
    benchmark, interactions = open_benchmark(files, BenchmarkOptions("tiny", {"seed": 2}))
    few = benchmark.of_few_users(interactions, 7)
    assert few.queries.user.tolist() == build_queries(interactions, "test", 7, 2).user.tolist()
    assert few.items is benchmark.items
    fewer, interactions = open_benchmark(files, BenchmarkOptions("tiny", {"max_users": 5}))
    assert fewer.of_few_users(interactions, 7).queries.num_users == 5
    assert benchmark.of_few_users(interactions, 10 * USERS).queries.num_users == USERS


def test_ranks_of_one_tokenizers_seeds_are_opened_together(tmp_path):
    names = ["rqkmeans_2x4", "vqvae_8", "rqkmeans_2x4-s1"]
    paths = [str(tmp_path / f"{name}.parquet") for name in names]
    for path in paths:
        write_ranks(path, {Ranking("exact", 0, "exact"): Ranks(3)})
    opened = open_ranks(names, paths, 3)
    assert {name: [file.path.stem for file in files] for name, files in opened.items()} == {
        "rqkmeans_2x4": ["rqkmeans_2x4", "rqkmeans_2x4-s1"],
        "vqvae_8": ["vqvae_8"],
    }
    with pytest.raises(InputError, match="ranks of 3 queries, expected 4"):
        open_ranks(names, paths, 4)


def test_controls_are_evaluated_from_files_and_their_slices_are_of_the_same_ranks(files, tmp_path):
    categories = [[f"c{item % 3}"] for item in range(ITEMS)]
    pq.write_table(pa.table({"categories": categories, "in_core": [True] * ITEMS}), files.catalogue)
    paths = SimpleNamespace(table=tmp_path / "table.csv", ranks=tmp_path / "ranks.parquet")
    options = BenchmarkOptions("tiny", {"resamples": 20}, note="a note")
    evaluation = write_control_evaluation(files, options, paths)
    rows = read_table(paths.table)
    assert [row["candidates"] for row in rows] == [
        "all",
        "popularity",
        "cooccurrence",
        "category:exact",
        "category:prefix",
    ]
    assert {(row["dataset"], row["tokenizer"], row["note"]) for row in rows} == {("tiny", "controls", "a note")}
    ranks = RanksFile.open(paths.ranks, USERS)
    assert [strategy.candidates for strategy in ranks.strategies] == [row["candidates"] for row in rows]

    write_slices(evaluation, tmp_path / "slices.csv")
    whole = [row for row in read_table(tmp_path / "slices.csv", SLICE_COLUMNS) if row["slice"] == "all"]
    for row, strategy, sliced in zip(rows, ranks.strategies, whole, strict=True):
        assert float(sliced["recall@10"]) == pytest.approx(ranks.read(strategy).metric("recall@10").mean(), rel=1e-5)
        for column in ("candidates", "rerank", "recall@10", "ndcg@10", "users"):
            assert sliced[column] == row[column]


def test_the_query_is_chosen_from_files_without_the_test_split(files, tmp_path):
    files.splits = files.splits[:2]
    options = BenchmarkOptions("tiny", {"seed": 1, "split": "test"})
    write_query_choice(files, options, tmp_path / "query.json")
    choice = json.loads((tmp_path / "query.json").read_text())
    assert (choice["split"], choice["users"], choice["queries"]) == ("valid", USERS, USERS)
    assert len(choice["grid"]) == 11
    settings = fitted_settings(EvaluationSettings(query="fit"), tmp_path / "query.json")
    assert settings.query == choice["query"] != "fit"
