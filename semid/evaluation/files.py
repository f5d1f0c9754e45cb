"""Opens what an evaluation reads: split tables, embeddings and the choice of the query."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from semid.embeddings import EmbeddingStore
from semid.evaluation.benchmark import Benchmark, Catalogue
from semid.evaluation.fit import fitted_settings
from semid.evaluation.queries import Interactions, Queries, build_queries, read_interactions
from semid.evaluation.settings import EvaluationSettings
from semid.retrieval.identical import read_first_of_identical


class Files(Protocol):
    """What :func:`open_benchmark` reads: `splits` in one folder, `manifest` of the embeddings, and `representatives`,
    which of them are identical. `get("query")` is the `query.json` of the dataset, where the query is fitted."""

    splits: Sequence[str]
    manifest: str
    representatives: str

    def get(self, name: str, /) -> Any: ...


def open_queries(splits: Sequence[str], settings: EvaluationSettings) -> tuple[Queries, Interactions]:
    """The queries that the settings ask for, from the tables in the folder of `splits`, and these tables."""
    interactions = read_interactions(Path(splits[0]).parent, settings.split)
    return build_queries(interactions, settings.split, settings.max_users, settings.seed), interactions


def open_benchmark(
    files: Files, dataset: str, settings: Mapping[str, Any], normalize: bool = False, note: str = ""
) -> tuple[Benchmark, Interactions]:
    """The benchmark of a dataset, and the interactions that it was made from.

    settings: keys of :class:`EvaluationSettings` that differ from the defaults. Raises InputError for settings, files
    or a choice of the query that cannot be used.
    """
    chosen = fitted_settings(EvaluationSettings(**settings), files.get("query"))
    queries, interactions = open_queries(files.splits, chosen)
    vectors = EmbeddingStore.open(files.manifest)
    representatives = read_first_of_identical(files.representatives, len(vectors))
    items = Catalogue(vectors, representatives, interactions.training_counts(len(vectors)), normalize)
    return Benchmark(dataset, queries, items, chosen, note), interactions
