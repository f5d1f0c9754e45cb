"""The evaluation of a tokenizer: what its codes retrieve, and what random codes of the same sizes do instead."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import torch

from semid.embeddings.identical import first_of_identical
from semid.errors import InputError
from semid.evaluation.benchmark import Benchmark, Row
from semid.evaluation.candidate_ranking import RankedTwice, rank_by_codes
from semid.evaluation.files import BenchmarkFiles, BenchmarkOptions, Evaluation, EvaluationPaths, open_benchmark
from semid.evaluation.target_ranks import RANDOM, Ranking, code_columns
from semid.items import CoreItems
from semid.naming import TokenizerName
from semid.quantizers import DecodedVectors, decoder_of_codes
from semid.retrieval.dense import PairScorer, Vectors
from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.strategies.candidates import IndexedCodes
from semid.retrieval.strategies.registry import STRATEGIES, strategies_for_control
from semid.retrieval.tree import CodeSpace, CodeTree

# Random codes are tried with a sample of users: all users would double the time, and what they find is foreseeable.
RANDOM_USERS = 5000
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class TokenizerCodes:
    """What the evaluation needs of a tokenizer.

    index: the inverted index of the codes of the benchmark's items; space: measures distances to codes, for strategies
    that need them; decoded: float [buckets, dim], the vectors that `index.codes` decode to, for `rerank` `decoded`.
    """

    name: TokenizerName
    index: InvertedIndex
    space: CodeSpace | None = None
    decoded: Vectors | None = None

    @classmethod
    def open(cls, name: str, index_folder: str | Path, model_folder: str | Path, core: CoreItems) -> Self:
        """Open the codes that the tokenizer of this name gave to core items, from its inverted index and its model."""
        index = InvertedIndex.load(index_folder, core)
        tokenizer: Any = decoder_of_codes(model_folder, index.codes)
        return cls(
            TokenizerName.parse(name).with_sizes(tokenizer.sizes),
            index,
            CodeSpace(CodeTree.build(index, tokenizer.codebooks_), tokenizer.latent),
            DecodedVectors(tokenizer, index.codes),
        )


class TokenizerFiles(BenchmarkFiles, Protocol):
    """What the evaluation of a tokenizer reads: files of its inverted index, and its model, each in their folder."""

    index: Sequence[str]
    model: str


def evaluate_tokenizer(benchmark: Benchmark, tokenizer: TokenizerCodes) -> Evaluation:
    """Evaluate one tokenizer: a row for each candidate strategy, budget and rerank.

    Raises InputError when the codes are not of the benchmark's catalogue, or lack what the settings ask for.
    """
    items, index, name = benchmark.items, tokenizer.index, tokenizer.name.name
    if index.num_items != items.num_items:
        raise InputError(
            f"{name} of {benchmark.dataset} has codes of {index.num_items:,} items, but there are {items.num_items:,} "
            "embeddings: encode and index the items again"
        )
    for strategy in benchmark.settings.candidates:
        if index.num_levels < STRATEGIES[strategy].min_levels:
            log.info("%s: candidates %s are left out for codes of one level", name, strategy)
    scorers: dict[str, PairScorer] = {}
    if "exact" in benchmark.settings.rerank:
        scorers["exact"] = items.scorer()
    if "decoded" in benchmark.settings.rerank:
        decoded = tokenizer.decoded
        if decoded is None or decoded.shape != (index.num_buckets, items.vectors.shape[1]):
            raise InputError(f"{name}: rerank decoded needs the decoded vector of every code of the index")
        scorers["decoded"] = PairScorer(decoded, first_of_identical(decoded)[index.bucket_of_item], items.normalize)
    codes = IndexedCodes(name, index, tokenizer.space)
    ranks = rank_by_codes(benchmark, codes, benchmark.settings.candidates, scorers)
    rows = _rows(benchmark, tokenizer, ranks)
    return Evaluation(benchmark, rows, {strategy: ranked.items for strategy, ranked in ranks.items()})


def evaluate_random_codes(benchmark: Benchmark, tokenizer: TokenizerCodes) -> list[Row]:
    """Return rows of the table for random codes with the bucket sizes of a tokenizer: `random:exact` and so on.

    A benchmark of RANDOM_USERS is enough. The items are dealt to the places of the index at random, with
    `settings.seed`, so that every code has as many items as before. With a budget of b items the expected candidate
    recall is therefore b / the number of unseen items.
    """
    index = tokenizer.index
    dealt = np.random.default_rng(benchmark.settings.seed).permutation(index.num_items).astype(np.int32)
    codes = IndexedCodes(
        f"random codes for {tokenizer.name.name}",
        InvertedIndex(index.codes, index.offsets, dealt),
        tokenizer.space,
    )
    tried = strategies_for_control("random")
    candidates = [strategy for strategy in benchmark.settings.candidates if strategy in tried]
    ranks = rank_by_codes(benchmark, codes, candidates, {"exact": benchmark.items.scorer()}, rank_codes=False)
    named = {
        strategy._replace(candidates=f"{RANDOM}{strategy.candidates}"): ranked for strategy, ranked in ranks.items()
    }
    return _rows(benchmark, tokenizer, named)


def _rows(benchmark: Benchmark, tokenizer: TokenizerCodes, ranks: Mapping[Ranking, RankedTwice]) -> list[Row]:
    name = tokenizer.name
    columns: Row = {
        "tokenizer": name.name,
        "method": name.method,
        "variant": name.variant,
        "num_levels": name.num_levels,
        "codebook_size": name.codebook_size,
        "bits": name.bits,
        "entropy_bits": tokenizer.index.entropy_bits(),
        "seed": name.seed,
    }
    return [
        {
            **columns,
            **benchmark.outcome_row(ranked.items),
            **(code_columns(ranked.items, ranked.codes) if ranked.codes is not None else {}),
            **strategy._asdict(),
        }
        for strategy, ranked in ranks.items()
    ]


def write_tokenizer_evaluation(
    name: str, files: TokenizerFiles, options: BenchmarkOptions, paths: EvaluationPaths, threads: int = 1
) -> Evaluation:
    """Evaluate the tokenizer of this name from its files, and write `offline_eval.csv` and `ranks.parquet`.

    The table has rows of random codes beside those of the tokenizer; the ranks are of the tokenizer alone.
    """
    torch.set_num_threads(threads)
    with torch.inference_mode():
        benchmark, interactions = open_benchmark(files, options)
        core = CoreItems.read(files.catalogue)
        tokenizer = TokenizerCodes.open(name, Path(files.index[0]).parent, Path(files.model).parent, core)
        evaluation = evaluate_tokenizer(benchmark, tokenizer)
        random_rows = evaluate_random_codes(benchmark.of_few_users(interactions, RANDOM_USERS), tokenizer)
    evaluation.write(paths, random_rows)
    return evaluation
