"""A generator on the files of the workflow: made, trained for some minutes, evaluated, and timed where it searches."""

import hashlib
import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from semid.embeddings import EmbeddingStore
from semid.errors import InputError
from semid.evaluation.queries import Queries, build_queries
from semid.generative.catalogue import catalogue_of
from semid.generative.evaluation import USERS_AT_ONCE, GeneratorEvaluation, user_states
from semid.generative.model import Generator
from semid.generative.ranking import dense_scores, rank_dense, rank_generated
from semid.generative.search import Found, search, search_exactly
from semid.generative.sequences import training_sequences
from semid.generative.settings import GeneratorSettings
from semid.generative.training import Training, begin_training, train
from semid.generative.trie import CodeTrie
from semid.interactions import Interactions, read_interactions
from semid.jobs.digests import code_digest
from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.ragged import Ragged
from semid.retrieval.seen import Seen
from semid.semantic_ids.codes import open_codes

# The length of the lists that a search gives.
DEPTH = 10
METRICS = ("recall@10", "ndcg@10")


@dataclass(frozen=True)
class Inputs:
    """The dataset, the codes of its items and their embeddings, as the workflow writes them.

    dataset: the folder of the splits; codes: int64 [n, L]; vectors: float32 [n, D]. All n items are candidates.
    """

    dataset: Path
    codes: np.ndarray
    vectors: np.ndarray

    @classmethod
    def read(cls, dataset: Path, codes: Path, embeddings: Path) -> Self:
        """Read a file of codes, or a folder of them, and the embeddings that a manifest names."""
        parts = sorted(codes.glob("*.npy")) if codes.is_dir() else [codes]
        held = np.asarray(open_codes(parts)[:], np.int64)
        store = EmbeddingStore.open(embeddings)
        if len(store) != len(held):
            raise InputError(f"{codes} has codes of {len(held):,} items, and {embeddings} has {len(store):,} rows")
        return cls(dataset, held, np.asarray(store[np.arange(len(held))], np.float32))

    @cached_property
    def interactions(self) -> Interactions:
        return read_interactions(self.dataset)

    @cached_property
    def sequences(self) -> Ragged:
        """What a generator learns from."""
        return training_sequences(self.interactions)

    @cached_property
    def index(self) -> InvertedIndex:
        return InvertedIndex.build(self.codes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Codes of each level, up to the last that an item has."""
        return tuple(int(size) for size in self.codes.max(axis=0) + 1)

    def queries(self, users: int = 0) -> Queries:
        """The test queries of all users, or of a seeded sample."""
        return build_queries(self.interactions, "test", users)

    def generator(self, settings: GeneratorSettings) -> Generator:
        """A generator that has learnt nothing yet."""
        torch.manual_seed(settings.seed)
        catalogue, start = catalogue_of(self.codes, self.sizes, self.vectors, settings)
        return Generator(catalogue, settings, start if settings.code_heads == "search" else None)

    def digest(self, *what: object) -> str:
        """Digits that stand for the codes, the code that a generator runs, and `what` besides."""
        told = json.dumps([str(self.dataset), code_digest("semid.generative.training"), *what], sort_keys=True)
        return hashlib.sha256(told.encode() + self.codes.tobytes()).hexdigest()[:12]


def train_epochs(
    inputs: Inputs,
    settings: GeneratorSettings,
    epochs: int,
    between: Callable[[Training], None] = lambda training: None,
    users: int | None = None,
    device: str = "cpu",
) -> Training:
    """Train a new generator for so many epochs on a device, measuring nothing; `between` is called after each.

    Of all users who have sequences, or of the first so many.
    """
    offsets = inputs.sequences.offsets[: None if users is None else users + 1]
    sequences = Ragged(inputs.sequences.values[: offsets[-1]], offsets)
    model = inputs.generator(replace(settings, epochs=epochs, measure_every=epochs))
    training = begin_training(model.to(device))
    train(training, sequences, lambda model: {"ndcg@10": 0.0}, between)
    return training


def seconds_of_epochs(training: Training) -> list[float]:
    """What each epoch took."""
    return [epoch["seconds"] for epoch in training.history]


def train_for(inputs: Inputs, settings: GeneratorSettings, seconds: float) -> tuple[Generator, dict[str, float]]:
    """Train for as many whole epochs as fit in so many seconds, at the pace of an epoch before; one at least."""
    pace = seconds_of_epochs(train_epochs(inputs, settings, 1))[0]
    training = train_epochs(inputs, settings, max(1, math.floor(seconds / pace)))
    took = {"seconds": sum(seconds_of_epochs(training)), "epochs": float(len(training.history))}
    return training.model, {**took, "examples": float(sum(epoch["targets"] for epoch in training.history))}


def kept(path: Path, module: nn.Module, fit: Callable[[], tuple[nn.Module, dict[str, float]]]) -> dict[str, float]:
    """Give `module` the parameters in the file at `path`, which `fit` makes first where there is none.

    Returns what the training said of itself.
    """
    if not path.is_file():
        fitted, said = fit()
        path.parent.mkdir(parents=True, exist_ok=True)
        tensors = {name: value.detach().clone().contiguous() for name, value in fitted.state_dict().items()}
        save_file(tensors, path, {"said": json.dumps(said)})
    module.load_state_dict(load_file(path))
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["said"])


def trained(
    inputs: Inputs, settings: GeneratorSettings, seconds: float, folder: Path
) -> tuple[Generator, dict[str, float]]:
    """A generator trained for so many seconds, from `folder` where one like it was trained before."""
    path = folder / f"generator-{inputs.digest(asdict(settings), seconds, torch.get_num_threads())}.safetensors"
    model = inputs.generator(settings)
    said = kept(path, model, lambda: train_for(inputs, settings, seconds))
    return model, said


def figures_of(model: Generator, queries: Queries, index: InvertedIndex) -> dict[str, dict[str, float]]:
    """By the name of each ranking but `hybrid`: the metrics with seen items removed and kept, and µs a query."""
    figures: dict[str, dict[str, float]] = {}
    for seen in ("removed", "kept"):
        outcome = GeneratorEvaluation(model, queries, index, betas=(), removes_seen=seen == "removed").outcome()
        for name, ranks in outcome.ranks.items():
            of_ranking = figures.setdefault(name, {"query_us": 1e6 * ranks.seconds / len(queries)})
            of_ranking |= {f"{metric}, {seen}": float(ranks.metric(metric).mean()) for metric in METRICS}
    return figures


class Searches:
    """What is timed: each search over all queries, block by block, with lists of the first ten unseen items."""

    def __init__(
        self, model: Generator, queries: Queries, index: InvertedIndex, users_at_once: int = USERS_AT_ONCE
    ) -> None:
        self.model, self.queries, self.index = model.eval(), queries, index
        self.trie = CodeTrie.build(index)
        self.states = user_states(model, queries)
        starts = range(0, len(queries), users_at_once)
        self.blocks = [slice(start, min(start + users_at_once, len(queries))) for start in starts]
        self.seen = [Seen.of(queries.history(block), index.num_items) for block in self.blocks]

    def encode(self) -> None:
        user_states(self.model, self.queries)

    def dense(self) -> None:
        vectors = self.model.items.compared()
        for block, seen in zip(self.blocks, self.seen, strict=True):
            rank_dense(dense_scores(vectors, self.states[block], seen), self._target(block), DEPTH)

    def beam(self) -> float:
        """Return the share of users of whom the first ten are certainly those of the whole tree."""
        return self._generate(search)

    def exact(self) -> float:
        return self._generate(search_exactly)

    @torch.inference_mode()
    def _generate(self, search_with: Callable[..., Found]) -> float:
        assert self.model.heads is not None
        certain = 0
        for block, seen in zip(self.blocks, self.seen, strict=True):
            found = search_with(self.model.heads, self.states[block], self.trie, self.model.settings.beam, seen)
            rank_generated(found, self.index, self._target(block), seen, DEPTH)
            certain += int(found.certain.sum())
        return certain / len(self.queries)

    def _target(self, block: slice) -> Tensor:
        return torch.from_numpy(self.queries.target[block])


@torch.inference_mode()
def microseconds(searches: Searches, names: Sequence[str], repeats: int) -> dict[str, float]:
    """Medians of µs a query of the searches of these names, a repeat of each after the other, and shares certain."""
    seconds: dict[str, list[float]] = {}
    shares = {}
    for _ in range(repeats):
        for name in names:
            started = time.perf_counter()
            share = getattr(searches, name)()
            seconds.setdefault(name, []).append(time.perf_counter() - started)
            if share is not None:
                shares[f"{name}, share certain"] = share
    return {name: 1e6 * statistics.median(took) / len(searches.queries) for name, took in seconds.items()} | shares


def epoch_and_evaluation(dataset: str, codes: str, embeddings: str, settings: dict[str, Any]) -> Callable[[], object]:
    """What `bench.memory` measures: read the files, train an epoch, and rank all items for all users in every way."""

    def run() -> object:
        inputs = Inputs.read(Path(dataset), Path(codes), Path(embeddings))
        training = train_epochs(inputs, GeneratorSettings(**settings), 1)
        return GeneratorEvaluation(training.model, inputs.queries(), inputs.index).outcome()

    return run
