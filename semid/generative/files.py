"""Opens what a generator is trained and evaluated on: splits, items, the IDs of a tokenizer, embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from semid.device import resolve_device
from semid.embeddings import EmbeddingStore, core_vectors
from semid.errors import InputError
from semid.evaluation.queries import Queries, build_queries
from semid.generative.catalogue import catalogue_of
from semid.generative.model import Generator
from semid.generative.settings import GeneratorSettings
from semid.interactions import Interactions, read_interactions
from semid.items import CoreItems
from semid.methods import METHODS
from semid.naming import TokenizerName
from semid.quantizers import decoder_of_codes
from semid.retrieval.inverted import InvertedIndex


class GeneratorFiles(Protocol):
    """What a generator is made of.

    splits: the split tables, in one folder; catalogue: the item table. `get` gives what only some generators have:
    `index`, the files of the inverted index of a tokenizer, with `tokenizer`, its model; `manifest`, that of the
    embeddings, where the model needs them.
    """

    splits: Sequence[str]
    catalogue: str

    def get(self, name: str, /) -> Any: ...


@dataclass(frozen=True)
class GeneratorPlace:
    """A generator of a dataset, and the tokenizer on whose IDs it is trained, empty for one that knows none."""

    dataset: str
    generator: str
    tokenizer: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, [self.dataset, self.tokenizer, self.generator]))

    @property
    def is_parallel(self) -> bool:
        """Whether the codes are of sub-spaces, of which none reads another."""
        method = METHODS.get(TokenizerName.parse(self.tokenizer).method) if self.tokenizer else None
        return method is not None and method.kind == "product"


@dataclass(frozen=True)
class GeneratorCompute:
    """Where a job computes, and with how many threads: another number of them gives other last bits."""

    device: str = "cpu"
    threads: int = 1

    def begin(self) -> torch.device:
        """Let this process use the threads, and return the device. Raises `InputError` for one that is not here."""
        torch.set_num_threads(self.threads)
        return resolve_device(self.device)


ON_CPU = GeneratorCompute()


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The items that a generator ranks, numbered among the core items.

    index: the inverted index of their codes, None without a tokenizer; sizes: those of the codebooks; parallel: whether
    the codes are of sub-spaces, of which none reads another; vectors: float32 [items, dim], where the model needs them.
    """

    num_items: int
    index: InvertedIndex | None = None
    sizes: tuple[int, ...] = ()
    parallel: bool = False
    vectors: np.ndarray | None = field(default=None, repr=False)

    @property
    def codes(self) -> np.ndarray:
        """int64 [items, L]: the codes of all items; L is 0 without a tokenizer."""
        if self.index is None:
            return np.empty((self.num_items, 0), np.int64)
        return self.index.codes[self.index.bucket_of_item].astype(np.int64)

    def model(self, settings: GeneratorSettings) -> Generator:
        """Return a generator that has learnt nothing yet; random numbers follow from `settings.seed`.

        Raises `InputError` where the settings need codes or embeddings that are not there.
        """
        if self.index is None and (settings.uses_codes or settings.code_weight):
            raise InputError(f"items {settings.items} need the codes of a tokenizer, and there is none")
        if settings.needs_vectors and self.vectors is None:
            raise InputError("the embeddings of the items are needed for these settings, and there are none")
        known, start = catalogue_of(self.codes, self.sizes, self.vectors, settings)
        with torch.random.fork_rng(devices=[]):
            torch.random.default_generator.manual_seed(settings.seed)
            return Generator(known, settings, start, self.parallel)


def open_catalogue(place: GeneratorPlace, files: GeneratorFiles) -> tuple[Catalogue, CoreItems]:
    """Open items, codes and embeddings. Raises `InputError` for files that cannot be used, and for a single item."""
    core = CoreItems.read(files.catalogue)
    if len(core) < 2:
        raise InputError(f"{files.catalogue}: a generator learns to tell items apart, and there is only one core item")
    index: InvertedIndex | None = None
    sizes: tuple[int, ...] = ()
    vectors: np.ndarray | None = None
    if files.get("index"):
        index = InvertedIndex.load(Path(files.get("index")[0]).parent, core)
        sizes = decoder_of_codes(Path(files.get("tokenizer")).parent, index.codes).sizes
        _check_codes(index, sizes, files.get("index")[0])
    if files.get("manifest"):
        vectors = _vectors(files.get("manifest"), core)
    return Catalogue(len(core), index, sizes, place.is_parallel, vectors), core


def open_interactions(files: GeneratorFiles, core: CoreItems, split: str) -> Interactions:
    """Read the splits up to `split`, whose items are numbered among the core items."""
    interactions = read_interactions(Path(files.splits[0]).parent, split)
    return replace(interactions, item=core.numbers(interactions.item))


def validation_queries(place: GeneratorPlace, interactions: Interactions, settings: GeneratorSettings) -> Queries:
    """Return the queries of the validation split, by which epochs and the weight of `hybrid` are chosen.

    A sample of users is the same for all generators. Raises `InputError` where no query is left.
    """
    queries = build_queries(interactions, "valid", settings.validation_users)
    if not len(queries):
        raise InputError(
            f"{place}: nothing is left of the validation split ({queries.no_history_skipped} interactions without "
            f"history, {queries.unknown_target_skipped} of unknown items, {queries.seen_skipped} of seen items), "
            "by which a generator chooses its epoch: give users longer histories, or another split"
        )
    return queries


def _check_codes(index: InvertedIndex, sizes: tuple[int, ...], path: str) -> None:
    if index.num_levels != len(sizes) or (index.codes.max(axis=0) >= np.array(sizes)).any():
        largest = ", ".join(map(str, index.codes.max(axis=0)))
        raise InputError(
            f"{path}: the largest codes are {largest}, and the tokenizer has codebooks of "
            f"{', '.join(map(str, sizes))}: encode and index the items again"
        )


def _vectors(manifest: str | Path, core: CoreItems) -> np.ndarray:
    """Return the embeddings of the core items, float32 [items, dim]. Raises `InputError` for NaN and infinity."""
    stored = core_vectors(EmbeddingStore.open(manifest), core)
    vectors = np.asarray(stored[:], np.float32)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        row = int(core.rows[int(np.argmin(finite))])
        raise InputError(f"{manifest}: the embedding in row {row} is not finite: embed the items again")
    return vectors
