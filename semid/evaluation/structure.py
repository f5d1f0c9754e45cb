"""What codes keep of the embeddings' neighbourhoods, the catalogue's categories and users' steps from item to item.

Needs SciPy and scikit-learn, and is imported only where it is used.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr  # type: ignore[import-untyped]
from sklearn.metrics import adjusted_mutual_info_score

from semid.embeddings import Rows
from semid.entropy import entropy_bits
from semid.errors import InputError
from semid.evaluation.queries import Interactions
from semid.progress import Progress
from semid.quantizers import DecodedVectors, Decoder
from semid.retrieval.dense import PairScorer, Vectors, block_rows, float_rows, top_items
from semid.retrieval.inverted import InvertedIndex

NEIGHBOURS = 10
HITS_AMONG = 100
# of items whose neighbours are searched, and of steps whose targets are
SAMPLE = 2000
SEARCHED_AT_ONCE = 500
# of items whose categories are compared with their codes: its chance level takes codes x categories x items a pair
CATEGORY_SAMPLE = 100_000
# a level of categories that tells items apart
CATEGORY_BITS = 1.0
PAIRS_AT_ONCE = 1 << 20
# 8 MB of products, which are compared while they are in the cache
COMPARED_PRODUCTS = 1 << 21


@dataclass(frozen=True, eq=False)
class Distinct:
    """Items by what they are searched by: their embedding, or their code.

    vectors [m, dim]: one row for each of the distinct; group_of_item: integers [n], an item's row; sizes: int64 [m].
    """

    vectors: Vectors
    group_of_item: np.ndarray
    sizes: np.ndarray


def distinct_embeddings(vectors: Any, first_of_identical: np.ndarray) -> Distinct:
    """The distinct rows of `vectors` [n, dim]; `first_of_identical` [n] is for every row the first that equals it."""
    representatives, group_of_item, sizes = np.unique(first_of_identical, return_inverse=True, return_counts=True)
    return Distinct(Rows(vectors, representatives), group_of_item, sizes)


def distinct_codes(tokenizer: Decoder, codes: np.ndarray) -> Distinct:
    """The distinct rows of `codes` [n, L], decoded when they are read."""
    index = InvertedIndex.build(codes)
    sizes = np.diff(index.offsets)
    group_of_item = np.empty(len(codes), np.int32)
    group_of_item[index.items] = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    return Distinct(DecodedVectors(tokenizer, index.codes), group_of_item, sizes)


@dataclass(frozen=True, eq=False)
class DescribedItems:
    """What is known of items beside their codes.

    vectors: embeddings [n, dim]; first_of_identical: integers [n], as in :func:`distinct_embeddings`; categories:
    integers [n, depth], as `category_codes` numbers them.
    """

    vectors: Any
    first_of_identical: np.ndarray
    categories: np.ndarray


def structure_figures(
    codes: np.ndarray,
    tokenizer: Decoder,
    items: DescribedItems,
    interactions: Interactions | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Figures of a scorecard by name, of `codes` [n, L] that `tokenizer` gave to `items`.

    `interactions` hold the training split. Samples are drawn with `seed`, the same for every tokenizer. A figure is
    None where the data do not give it.

    - `category_level`, `category_ami`: :func:`category_agreement`.
    - `neighbours_same_level1`, `neighbours_same_code`: of the 10 embeddings nearest (by cosine) to each of a sample
      of 2,000, the share with the same level-1 code, and with the same code. Items with identical embeddings count as
      one item, the first of them.
    - `cosine_prefix_spearman`: rank correlation of the cosine and the depth of the shared prefix, over the pairs of
      that sample with their neighbours and as many pairs of it with random items: random pairs alone hardly ever share
      a code.
    - `cooccurrence`: list [L], of a user's training items one after the other, the share of pairs with a common prefix
      of depth 1, …, L. Pairs of an item with itself are left out.
    - `embedding_hitrate@100`, `decoded_hitrate@100`: :func:`hit_rate` of a sample of 2,000 such pairs, by the
      embeddings and by what decoding the codes gives.
    """
    vectors, first_of_identical, categories = items.vectors, items.first_of_identical, items.categories
    if not len(codes) == len(vectors) == len(first_of_identical) == len(categories):
        raise InputError(
            f"{len(codes)} codes, but {len(vectors)} embeddings and {len(categories)} items with categories; "
            "run these steps again"
        )
    random = np.random.default_rng(seed)
    figures: dict[str, Any] = dict.fromkeys(
        ("cosine_prefix_spearman", "neighbours_same_level1", "neighbours_same_code", "cooccurrence")
    )
    figures["category_level"], figures["category_ami"] = category_agreement(codes[:, 0], categories, random)
    embeddings = distinct_embeddings(vectors, first_of_identical)
    if len(embeddings.sizes) > 1:
        figures |= neighbour_figures(codes[np.unique(first_of_identical)], embeddings.vectors, random)
    steps = np.empty((0, 2), np.int64) if interactions is None else interactions.training_steps()
    if len(steps):
        figures["cooccurrence"] = (shared_prefixes(codes, steps) / len(steps)).tolist()
        steps = steps[np.sort(random.choice(len(steps), min(SAMPLE, len(steps)), replace=False))]
    for name, distinct in (("embedding", embeddings), ("decoded", distinct_codes(tokenizer, codes))):
        figures[f"{name}_hitrate@{HITS_AMONG}"] = hit_rate(distinct, steps, HITS_AMONG) if len(steps) else None
    return figures


def category_agreement(
    level1: np.ndarray, categories: np.ndarray, random: np.random.Generator
) -> tuple[int | None, float | None]:
    """Level of the categories that is compared, and its adjusted mutual information with the level-1 codes [n].

    `categories` [n, depth]: an item's path as numbers, 0 where it has ended. The level is the widest that tells items
    apart, with an entropy of at least one bit over those that have it; None where there is none. At most 100,000
    items, drawn by `random`, are compared. 1 is the same partition, 0 what chance gives for as many codes and
    categories (Vinh, Epps and Bailey, 2010).
    """
    for level, names in enumerate(categories.T, start=1):
        named = np.flatnonzero(names)
        if len(named) and entropy_bits(np.bincount(names[named])) >= CATEGORY_BITS:
            if len(named) > CATEGORY_SAMPLE:
                named = random.choice(named, CATEGORY_SAMPLE, replace=False)
            return level, float(adjusted_mutual_info_score(names[named], level1[named]))
    return None, None


def nearest_others(vectors: Vectors, rows: np.ndarray, k: int) -> np.ndarray:
    """int64 [rows, min(k, m - 1)]: rows of largest cosine with each of `rows`, itself left out; `vectors` [m, dim]."""
    found = []
    with Progress(len(rows), "nearest neighbours", "items") as progress:
        for some in np.array_split(rows, range(SEARCHED_AT_ONCE, len(rows), SEARCHED_AT_ONCE)):
            nearest = top_items(vectors, float_rows(vectors, some, normalize=True), k + 1, normalize=True)
            # among rows that point the same way its own may not have come first
            place = np.argsort(nearest == some[:, None], axis=1, kind="stable")[:, :-1]
            found.append(np.take_along_axis(nearest, place, axis=1))
            progress.update(len(some))
    return np.concatenate(found)


def neighbour_figures(codes: np.ndarray, vectors: Vectors, random: np.random.Generator) -> dict[str, float | None]:
    """What :func:`structure_figures` says of neighbours, from `codes` [m, L] and `vectors` [m, dim]; m > 1."""
    m = len(codes)
    sample = np.sort(random.choice(m, min(SAMPLE, m), replace=False))
    nearest = nearest_others(vectors, sample, NEIGHBOURS)
    # never the item itself
    others = (sample[:, None] + random.integers(1, m, nearest.shape)) % m
    owner = np.repeat(np.arange(len(sample)), nearest.shape[1])
    scorer = PairScorer(vectors, np.arange(m), normalize=True)
    queries = float_rows(vectors, sample, normalize=True)
    depths, cosines = [], []
    for partner in (nearest.ravel(), others.ravel()):
        depths.append(shared_depth(codes[sample[owner]], codes[partner]))
        cosines.append(scorer.score_pairs(queries, owner, partner))
    depth, cosine = np.concatenate(depths), np.concatenate(cosines)
    varies = np.ptp(depth) > 0 and np.ptp(cosine) > 0
    return {
        "cosine_prefix_spearman": float(spearmanr(depth, cosine).statistic) if varies else None,
        "neighbours_same_level1": float((depths[0] >= 1).mean()),
        "neighbours_same_code": float((depths[0] == codes.shape[1]).mean()),
    }


def shared_depth(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """int64 [pairs]: how many first levels two codes [pairs, L] have in common."""
    return np.logical_and.accumulate(left == right, axis=1).sum(axis=1)


def shared_prefixes(codes: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """int64 [L]: how many of the pairs of items [pairs, 2] share a prefix of depth 1, …, L of their `codes` [n, L]."""
    num_levels = codes.shape[1]
    reached = np.zeros(num_levels + 1, np.int64)
    for left, right in _blocks(pairs):
        reached += np.bincount(shared_depth(codes[left], codes[right]), minlength=num_levels + 1)
    return reached[::-1].cumsum()[::-1][1:]


def _blocks(pairs: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        yield pairs[start : start + PAIRS_AT_ONCE].T


def hit_rate(distinct: Distinct, pairs: np.ndarray, k: int) -> float:
    """Share of pairs of different items [pairs, 2] whose second is among the `k` items nearest to the first by cosine.

    FORGE's embedding hit rate (Fu et al., 2025, arXiv:2509.20904): items are retrieved item by item by the similarity
    of their features alone, and a hit is the item that the user went on to. There every item of a history retrieves;
    here the last one does. Items of one vector are equally near: of those at the edge the expected number is counted.
    """
    vectors, sizes = distinct.vectors, distinct.sizes
    source, target = distinct.group_of_item[pairs].T
    queries = float_rows(vectors, source, normalize=True)
    cosine = (queries * float_rows(vectors, target, normalize=True)).sum(dim=1, keepdim=True)
    # nothing is nearer than what is identical; those identical to the source are nearer than any other target
    nearer = np.where(source == target, 0, sizes[source] - 1)
    m = vectors.shape[0]
    step = max(1, min(block_rows(vectors.shape[1]), COMPARED_PRODUCTS // len(pairs)))
    with Progress(m, "hit rate") as progress:
        for start in range(0, m, step):
            block = float_rows(vectors, slice(start, start + step), normalize=True)
            above = queries @ block.T > cosine
            for own in (source, target):
                inside = np.flatnonzero((own >= start) & (own < start + len(block)))
                above[torch.from_numpy(inside), torch.from_numpy(own[inside] - start).long()] = False
            weights = torch.from_numpy(sizes[start : start + step]).float()
            # sums of whole numbers: exact up to 2^24, far beyond k
            nearer = nearer + (above.float() @ weights).numpy().astype(np.int64)
            progress.update(len(block))
    nearer[source == target] = 0
    tied = sizes[target] - (source == target)
    return float(np.clip((k - nearer) / tied, 0, 1).mean())
