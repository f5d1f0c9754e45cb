"""Opens what an evaluation reads, and writes what it gives."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from semid.embeddings import EmbeddingStore, core_vectors, first_of_core, read_first_of_identical
from semid.errors import InputError
from semid.evaluation.benchmark import Benchmark, Catalogue, Row
from semid.evaluation.queries import Queries, build_queries
from semid.evaluation.ranks_file import write_ranks
from semid.evaluation.settings import FIT, EvaluationSettings
from semid.evaluation.table import write_table
from semid.evaluation.target_ranks import Ranking, Ranks
from semid.files import parse_json
from semid.interactions import Interactions, read_interactions
from semid.items import CoreItems

# What `query.json` says of the query that was chosen: keys of EvaluationSettings.
CHOICE = ("query", "decay", "history")
log = logging.getLogger(__name__)


class BenchmarkFiles(Protocol):
    """What :func:`open_benchmark` reads.

    splits: the split tables, in one folder; catalogue: the item table; manifest: of the embeddings; representatives:
    which embeddings are identical. `get("query")` is the `query.json` of the dataset, where the query is fitted.
    """

    splits: Sequence[str]
    catalogue: str
    manifest: str
    representatives: str

    def get(self, name: str, /) -> Any: ...


class EvaluationPaths(Protocol):
    """Where the rows and the ranks of an evaluation are written."""

    table: str
    ranks: str


@dataclass(frozen=True)
class BenchmarkOptions:
    """Which benchmark is asked for.

    settings: keys of :class:`EvaluationSettings` that differ from the defaults; normalize: compare unit vectors; note:
    goes into every row of the table.
    """

    dataset: str
    settings: Mapping[str, Any]
    normalize: bool = False
    note: str = ""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Rows of the table, and the ranks behind them, in one order; both are of one benchmark."""

    benchmark: Benchmark
    rows: Sequence[Row]
    ranks: Mapping[Ranking, Ranks]

    def write(self, paths: EvaluationPaths, table_only: Sequence[Row] = ()) -> None:
        """Write `ranks.parquet` and `offline_eval.csv`; `table_only` are more rows for the table."""
        write_ranks(paths.ranks, self.ranks)
        write_table([*self.rows, *table_only], paths.table)


def open_queries(
    splits: Sequence[str], settings: EvaluationSettings, core: CoreItems | None = None
) -> tuple[Queries, Interactions]:
    """Return the queries that the settings ask for, from the tables in the folder of `splits`, and these tables.

    Items are numbered among `core`, and else by their row in the item table.
    """
    interactions = read_interactions(Path(splits[0]).parent, settings.split)
    if core is not None:
        interactions = replace(interactions, item=core.numbers(interactions.item))
    return build_queries(interactions, settings.split, settings.max_users, settings.seed), interactions


def open_benchmark(files: BenchmarkFiles, options: BenchmarkOptions) -> tuple[Benchmark, Interactions]:
    """Return the benchmark of a dataset, and the interactions that it was made from.

    Here the evaluation is restricted to the core items: the catalogue of the benchmark has these alone, and an item is
    its number among them (:class:`CoreItems`), so that everything that is ranked is the same whether or not there are
    other items. Raises InputError for settings, files or a choice of the query that cannot be used.
    """
    settings = fitted_settings(EvaluationSettings(**options.settings), files.get("query"))
    core = CoreItems.read(files.catalogue)
    log.info("%s: %s of %s items evaluated", options.dataset, f"{len(core):,}", f"{core.num_items:,}")
    queries, interactions = open_queries(files.splits, settings, core)
    store = EmbeddingStore.open(files.manifest)
    vectors = core_vectors(store, core)
    representatives = first_of_core(read_first_of_identical(files.representatives, len(store)), core)
    counts = interactions.training_counts(len(core))
    items = Catalogue(vectors, representatives, counts, options.normalize)
    return Benchmark(options.dataset, queries, items, settings, options.note), interactions


def fitted_settings(settings: EvaluationSettings, path: str | Path | None) -> EvaluationSettings:
    """Return `settings`, with the choice that the `query.json` at `path` holds in place of the query `fit`.

    Other queries stay as they are. Raises InputError for a file that is missing or holds no choice.
    """
    if settings.query != FIT:
        return settings
    if path is None:
        raise InputError("evaluation: query fit needs the query.json of the dataset")
    try:
        content = parse_json(Path(path).read_text(encoding="utf-8"))
        return replace(settings, **{key: content[key] for key in CHOICE})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} holds no choice of the query ({error!r}): delete it and fit again") from error
