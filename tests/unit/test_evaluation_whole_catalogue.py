"""Zero vectors, and engines, in the ranking of the whole catalogue."""

import numpy as np
import pytest
import torch
from test_evaluation_evaluate import ALL_RERANKS, World, needs_faiss

from semid.embeddings import first_of_identical
from semid.errors import InputError
from semid.evaluation import EvaluationSettings, build_queries, whole_catalogue
from semid.evaluation.query_choice import fit_query
from semid.evaluation.whole_catalogue import Groups, rank_in_catalogue
from semid.retrieval import PairScorer, Ragged, faiss_index
from semid.retrieval.ragged import offsets_of
from semid.retrieval.seen import Seen


@pytest.mark.parametrize("seed", range(5))
def test_zero_vectors_count_and_list_what_scoring_every_pair_does(seed):
    random = np.random.default_rng(seed)
    # entries of 0, 1 and −1: scores tie, vectors repeat, and some of them are zero
    vectors = random.integers(-1, 2, (120, 3)).astype(np.float16)
    groups = Groups.build(PairScorer(vectors, first_of_identical(vectors)))
    query = torch.from_numpy(random.integers(-1, 2, (30, 3)).astype(np.float32))
    query[::3] = torch.tensor([0.0, -0.0, 0.0])
    lengths = random.integers(0, 115, 30)
    seen = Seen.of(Ragged(random.integers(0, 120, lengths.sum()), offsets_of(lengths)), 120)
    is_zero = (query == 0).all(dim=1).numpy()
    target_scores = np.where(is_zero, 0, random.integers(-2, 3, 30)).astype(np.float32)
    for counted, scored in zip(
        groups.count_all(query, target_scores, seen), groups._count_scored(query, target_scores, seen), strict=True
    ):
        assert counted.tolist() == scored.tolist()
    for depth in (1, 10, 100):
        assert (groups.first_of_all(query, seen, depth) == groups._first_scored(query, seen, depth)).all()


def test_a_zero_vector_is_ranked_without_a_score_for_every_item(monkeypatch):
    world = World(num_items=2000, dim=16)
    world.vectors[world.queries.items[world.queries.stop - 1]] = 0
    world.representatives = first_of_identical(world.vectors)
    pairs, score = [], PairScorer.score_groups

    def counted(scorer, queries, owner, groups):
        pairs.append(len(groups))
        return score(scorer, queries, owner, groups)

    monkeypatch.setattr(PairScorer, "score_groups", counted)
    ranks = rank_in_catalogue(world.benchmark(ALL_RERANKS))
    # what the search fetches is scored, and the target
    assert sum(pairs) <= len(world.queries) * (100 + 30 + whole_catalogue.FETCH_SLACK + 1)
    assert not ranks.greater.any()
    histories = [world.queries.items[a:b] for a, b in zip(world.queries.start, world.queries.stop, strict=True)]
    assert ranks.equal.tolist() == [2000 - len(set(history.tolist())) for history in histories]


@needs_faiss
@pytest.mark.parametrize("normalize", [False, True])
def test_the_query_that_is_chosen_with_faiss_is_that_of_the_exact_search(normalize, tmp_path):
    world = World(num_items=400, dim=16, num_users=150)
    random = np.random.default_rng(5)
    # every vector several times, and lengths that differ
    world.vectors = (random.standard_normal((90, 16)) * random.uniform(0.5, 2, (90, 1))).astype(np.float16)
    world.vectors = world.vectors[random.integers(0, 90, 400)]
    world.representatives = first_of_identical(world.vectors)
    world.queries = build_queries(world.interactions, "valid")
    engine = faiss_index.build_index(world.vectors, "Flat", np.arange(400), normalize)
    asked: list[int] = []

    class Engine:
        shape = engine.shape

        def search(self, queries: torch.Tensor, k: int) -> np.ndarray:
            asked.append(len(queries))
            return engine.search(queries, k)

    ranked = world.benchmark(EvaluationSettings(split="valid"), normalize)
    assert fit_query(ranked, Engine()) == fit_query(ranked)
    assert sum(asked) == 11 * len(world.queries)


def test_an_engine_of_another_catalogue_is_refused():
    world = World()

    class Other:
        shape = (301, 4)

        def search(self, queries: torch.Tensor, k: int) -> np.ndarray:
            raise AssertionError

    with pytest.raises(InputError, match=r"index of tiny holds 301 items of width 4.*build the index again"):
        fit_query(world.benchmark(ALL_RERANKS), Other())
