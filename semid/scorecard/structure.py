"""What codes keep of the embeddings' neighbourhoods, the catalogue's categories and users' steps from item to item.

Needs SciPy and scikit-learn, and is imported only where it is used.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.stats import spearmanr  # type: ignore[import-untyped]
from sklearn.metrics import adjusted_mutual_info_score

from semid.embeddings import Rows
from semid.errors import InputError
from semid.interactions import Interactions
from semid.quantizers import DecodedVectors, Decoder
from semid.retrieval.dense import PairScorer, RowReader, TopRows, Vectors, block_rows, float_rows, read_once
from semid.retrieval.inverted import InvertedIndex
from semid.scorecard.card import Structure
from semid.statistics.entropy import entropy_bits

NEIGHBOURS = 10
HITS_AMONG = 100
# The neighbours of at most this many items are searched, and the targets of at most this many steps.
SAMPLE = 2000
SEARCHED_AT_ONCE = 500
# The categories of at most this many items are compared with their codes: the chance level costs codes x categories x
# items.
CATEGORY_SAMPLE = 100_000
# A level of categories tells items apart if its entropy is at least this.
CATEGORY_BITS = 1.0
PAIRS_AT_ONCE = 1 << 20
# These are 8 MB of products, which are compared while they are in the cache.
COMPARED_PRODUCTS = 1 << 21


@dataclass(frozen=True, eq=False)
class Distinct:
    """Items grouped by what they are searched by: their embedding, or their code.

    vectors: [m, dim], a row a group; group_of_item: integers [n], the group of each item; sizes: int64 [m], the items
    of each group.
    """

    vectors: Vectors
    group_of_item: np.ndarray
    sizes: np.ndarray


def distinct_embeddings(vectors: Any, first_of_identical: np.ndarray) -> Distinct:
    """Group items by `vectors` [n, dim]; `first_of_identical` [n] is for every row the first row that equals it."""
    representatives, group_of_item, sizes = np.unique(first_of_identical, return_inverse=True, return_counts=True)
    return Distinct(Rows(vectors, representatives), group_of_item, sizes)


def distinct_codes(tokenizer: Decoder, codes: np.ndarray) -> Distinct:
    """Group items by `codes` [n, L], which are decoded when their vectors are read."""
    index = InvertedIndex.build(codes)
    sizes = np.diff(index.offsets)
    group_of_item = np.empty(len(codes), np.int32)
    group_of_item[index.items] = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    return Distinct(DecodedVectors(tokenizer, index.codes), group_of_item, sizes)


@dataclass(frozen=True, eq=False)
class DescribedItems:
    """What is known of items beside their codes.

    vectors: embeddings [n, dim]; first_of_identical: integers [n], as in :func:`distinct_embeddings`; categories:
    integers [n, depth], as `numbered_categories` numbers them.
    """

    vectors: Any
    first_of_identical: np.ndarray
    categories: np.ndarray


class CategoryAgreement(NamedTuple):
    """The level of the categories that is compared with codes, and their adjusted mutual information."""

    level: int | None
    ami: float | None


@dataclass(frozen=True)
class NeighbourFigures:
    """What :func:`structure_figures` says of neighbours."""

    cosine_prefix_spearman: float | None
    neighbours_same_level1: float
    neighbours_same_code: float


def structure_figures(
    codes: np.ndarray,
    tokenizer: Decoder,
    items: DescribedItems,
    interactions: Interactions | None = None,
    seed: int = 0,
) -> Structure:
    """Compute the figures of structure of `codes` [n, L] that `tokenizer` gave to `items`.

    `interactions` hold the training split. Samples are drawn with `seed`, and are the same for every tokenizer. A
    figure is None where the data do not give it.

    - `category_level`, `category_ami`: see :func:`category_agreement`.
    - `neighbours_same_level1`, `neighbours_same_code`: the share of neighbours with the same level-1 code, and with the
      same code. Neighbours are the 10 embeddings nearest by cosine to each of a sample of 2,000. Items with identical
      embeddings count as one item, the first of them.
    - `cosine_prefix_spearman`: rank correlation of the cosine and the depth of the shared prefix, over the pairs of
      that sample with their neighbours and as many pairs with random items, which would rarely share a code alone.
    - `cooccurrence`: the share of pairs of items with a common prefix of depth 1, …, L, where a user had one after the
      other in training. Pairs of an item with itself are left out.
    - `embedding_hitrate@100`, `decoded_hitrate@100`: :func:`hit_rate` of a sample of 2,000 such pairs, by the
      embeddings and by the vectors that the codes decode to.
    """
    vectors, first_of_identical, categories = items.vectors, items.first_of_identical, items.categories
    if not len(codes) == len(vectors) == len(first_of_identical) == len(categories):
        raise InputError(
            f"{len(codes)} codes, but {len(vectors)} embeddings and {len(categories)} items with categories; "
            "run these steps again"
        )
    # The figures share one random generator: in another order they would draw other samples.
    random = np.random.default_rng(seed)
    agreement = category_agreement(codes[:, 0], categories, random)
    figures = Structure(category_level=agreement.level, category_ami=agreement.ami)
    embeddings = distinct_embeddings(vectors, first_of_identical)
    pairs = draw_neighbour_pairs(len(embeddings.sizes), random) if len(embeddings.sizes) > 1 else None
    steps = np.empty((0, 2), np.int64) if interactions is None else interactions.training_steps()
    sample = steps[np.sort(random.choice(len(steps), min(SAMPLE, len(steps)), replace=False))]
    # Neighbours and hits are found in one pass over the embeddings.
    hits = [HitCount(embeddings, sample)] if len(steps) else []
    if pairs is not None:
        neighbours = neighbour_figures(codes[np.unique(first_of_identical)], embeddings.vectors, pairs, hits)
        figures = replace(figures, **vars(neighbours))
    elif hits:
        read_once(embeddings.vectors, hits)
    if not len(steps):
        return figures
    return replace(
        figures,
        cooccurrence=tuple((shared_prefixes(codes, steps) / len(steps)).tolist()),
        embedding_hitrate_100=hits[0].rate(HITS_AMONG),
        decoded_hitrate_100=hit_rate(distinct_codes(tokenizer, codes), sample, HITS_AMONG),
    )


def category_agreement(level1: np.ndarray, categories: np.ndarray, random: np.random.Generator) -> CategoryAgreement:
    """Compare the level-1 codes [n] with one level of the categories.

    `categories` [n, depth]: an item's path as numbers, 0 where it has ended. The level is the widest that tells items
    apart: its entropy over the items that have it is at least one bit. Both fields are None where there is none. At
    most 100,000 items, drawn by `random`, are compared. Adjusted mutual information is 1 for the same partition and 0
    for what chance gives with as many codes and categories (Vinh, Epps and Bailey, 2010).
    """
    for level, names in enumerate(categories.T, start=1):
        named = np.flatnonzero(names)
        if len(named) and entropy_bits(np.bincount(names[named])) >= CATEGORY_BITS:
            if len(named) > CATEGORY_SAMPLE:
                named = random.choice(named, CATEGORY_SAMPLE, replace=False)
            return CategoryAgreement(level, float(adjusted_mutual_info_score(names[named], level1[named])))
    return CategoryAgreement(None, None)


def nearest_others(vectors: Vectors, rows: np.ndarray, k: int, beside: Sequence[RowReader] = ()) -> np.ndarray:
    """Return int64 [rows, min(k, m - 1)]: the rows of `vectors` [m, dim] of largest cosine with each of `rows`.

    A row is not its own neighbour. Readers `beside` take all vectors in the same pass over them.
    """
    blocks = np.array_split(rows, range(SEARCHED_AT_ONCE, len(rows), SEARCHED_AT_ONCE))
    best = [TopRows(float_rows(vectors, block, normalize=True), k + 1, normalize=True) for block in blocks]
    read_once(vectors, [*best, *beside], "nearest neighbours")
    neighbours = []
    for block, of_block in zip(blocks, best, strict=True):
        nearest = of_block.rows
        # Among rows that point the same way the row itself may not have come first.
        place = np.argsort(nearest == block[:, None], axis=1, kind="stable")[:, :-1]
        neighbours.append(np.take_along_axis(nearest, place, axis=1))
    return np.concatenate(neighbours)


class NeighbourPairs(NamedTuple):
    """The rows whose neighbours are sought, int64 [rows], and random other rows for each, int64 [rows, neighbours]."""

    rows: np.ndarray
    others: np.ndarray


def draw_neighbour_pairs(m: int, random: np.random.Generator) -> NeighbourPairs:
    """Draw a sample of `m` rows, and as many random others for each as it has neighbours; m > 1."""
    sample = np.sort(random.choice(m, min(SAMPLE, m), replace=False))
    # An offset from 1 to m - 1 never leads back to the item itself.
    others = (sample[:, None] + random.integers(1, m, (len(sample), min(NEIGHBOURS, m - 1)))) % m
    return NeighbourPairs(sample, others)


def neighbour_figures(
    codes: np.ndarray, vectors: Vectors, pairs: NeighbourPairs, beside: Sequence[RowReader] = ()
) -> NeighbourFigures:
    """Compute the figures of neighbours of `codes` [m, L] and `vectors` [m, dim]; m > 1.

    Readers `beside` take all vectors, as :func:`nearest_others` says.
    """
    sample, others = pairs
    nearest = nearest_others(vectors, sample, NEIGHBOURS, beside)
    owner = np.repeat(np.arange(len(sample)), nearest.shape[1])
    scorer = PairScorer(vectors, np.arange(len(codes)), normalize=True)
    queries = float_rows(vectors, sample, normalize=True)
    depths, cosines = [], []
    for partner in (nearest.ravel(), others.ravel()):
        depths.append(shared_depth(codes[sample[owner]], codes[partner]))
        cosines.append(scorer.score_pairs(queries, owner, partner))
    depth, cosine = np.concatenate(depths), np.concatenate(cosines)
    varies = np.ptp(depth) > 0 and np.ptp(cosine) > 0
    return NeighbourFigures(
        cosine_prefix_spearman=float(spearmanr(depth, cosine).statistic) if varies else None,
        neighbours_same_level1=float((depths[0] >= 1).mean()),
        neighbours_same_code=float((depths[0] == codes.shape[1]).mean()),
    )


def shared_depth(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return int64 [pairs]: how many first levels the two codes [pairs, L] of each pair have in common."""
    return np.logical_and.accumulate(left == right, axis=1).sum(axis=1)


def shared_prefixes(codes: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return int64 [L]: how many pairs of items [pairs, 2] share a prefix of depth 1, …, L of their `codes` [n, L]."""
    num_levels = codes.shape[1]
    reached = np.zeros(num_levels + 1, np.int64)
    for left, right in _blocks(pairs):
        reached += np.bincount(shared_depth(codes[left], codes[right]), minlength=num_levels + 1)
    return reached[::-1].cumsum()[::-1][1:]


def _blocks(pairs: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        yield pairs[start : start + PAIRS_AT_ONCE].T


def hit_rate(distinct: Distinct, pairs: np.ndarray, k: int) -> float:
    """Return the share of pairs of different items [pairs, 2] whose second is among the `k` nearest to the first.

    Items are near by cosine. This is a variant of FORGE's embedding hit rate (Fu et al., 2025, arXiv:2509.20904), which
    retrieves items by the similarity of their features alone and counts the item that the user went on to: there every
    item of a history retrieves, and here the last one does. Items of one vector are equally near. A target among such
    items counts with the probability that a random order of them puts it among the `k`.
    """
    hits = HitCount(distinct, pairs)
    read_once(distinct.vectors, [hits], "hit rate")
    return hits.rate(k)


class HitCount:
    """A reader of the vectors of `distinct` that counts, for pairs of items [pairs, 2], what is nearer than the second.

    :func:`hit_rate` says what is counted.
    """

    def __init__(self, distinct: Distinct, pairs: np.ndarray) -> None:
        vectors, self._sizes = distinct.vectors, distinct.sizes
        self._source, self._target = distinct.group_of_item[pairs].T
        self._queries = float_rows(vectors, self._source, normalize=True)
        self._cosine = (self._queries * float_rows(vectors, self._target, normalize=True)).sum(dim=1, keepdim=True)
        # Nothing is nearer than an identical item, and items identical to the source are nearer than any other target.
        self._nearer = np.where(self._source == self._target, 0, self._sizes[self._source] - 1)
        self.step = max(1, min(block_rows(vectors.shape[1]), COMPARED_PRODUCTS // len(pairs)))

    def take(self, start: int, rows: np.ndarray) -> None:
        """Count the items of these rows that are nearer than the target of a pair."""
        above = self._queries @ float_rows(rows, slice(None), normalize=True).T > self._cosine
        for group in (self._source, self._target):
            inside = np.flatnonzero((group >= start) & (group < start + len(rows)))
            above[torch.from_numpy(inside), torch.from_numpy(group[inside] - start).long()] = False
        weights = torch.from_numpy(self._sizes[start : start + len(rows)]).float()
        # These are sums of whole numbers, which float32 holds exactly up to 2^24, far beyond k.
        self._nearer = self._nearer + (above.float() @ weights).numpy().astype(np.int64)

    def rate(self, k: int) -> float:
        """Return the share of pairs whose second item is among the `k` nearest, when all vectors have been read."""
        is_same = self._source == self._target
        # The products of identical vectors may round otherwise, but nothing is nearer than an identical item.
        nearer = np.where(is_same, 0, self._nearer)
        tied = self._sizes[self._target] - is_same
        return float(np.clip((k - nearer) / tied, 0, 1).mean())
