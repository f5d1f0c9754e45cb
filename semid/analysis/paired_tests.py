"""Paired tests: do two tokenizers differ on the same users, or is the difference chance?"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch

from semid.statistics.bootstrap import interval_ends, resampled_sums

# So many signs are held at once: 3 MB, which stay in the cache.
USERS_AT_ONCE = 384
FLIPS_AT_ONCE = 1024
# A flip takes so many numbers of 64 bits for a block of users.
WORDS_A_FLIP = USERS_AT_ONCE // 64
# Two sums are equal but for rounding where they differ by less than this share of what was added up.
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class PairedDifferences:
    """Differences of the pairs of tokenizers (0, 1), (0, 2), …, (1, 2), …; every field is float64 [pairs, metrics].

    difference: the mean of the first less that of the second; low, high: its 95 % interval; p: two-sided.
    """

    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray


def paired_differences(
    values: np.ndarray, resamples: int = 1000, permutations: int = 10_000, seed: int = 0
) -> PairedDifferences:
    """Compare every pair of tokenizers by `values`, float64 [users, tokenizers, metrics], on the same users.

    The interval comes from the bootstrap over users, p from the sign-flip permutation test: if the two tokenizers could
    be exchanged, a user's difference would be as likely to have the other sign. With `m` random sets of signs, `b` of
    which give a sum at least as far from 0, p = (b + 1) / (m + 1) (Phipson and Smyth, "Permutation p-values should
    never be zero", 2010). All pairs share the resamples and the signs, so that the sum for a pair is the difference of
    two sums, and memory grows neither with pairs × users nor with permutations.
    """
    shape = values.shape[1:]
    columns = values.reshape(len(values), -1)
    resampled = resampled_sums(columns, resamples, seed).reshape(resamples, *shape) / len(values)
    sums, added = values.sum(axis=0), np.abs(values).sum(axis=0)
    pairs = list(combinations(range(shape[0]), 2))
    ends = np.empty((2, len(pairs), shape[1]))
    least = np.empty((len(pairs), shape[1]))
    for pair, (a, b) in enumerate(pairs):
        between = np.quantile(resampled[:, a] - resampled[:, b], interval_ends(0.95), axis=0)
        # Tokenizers with the same ranks differ by 0, although their columns are not added up in the same order.
        ends[:, pair] = np.where(np.abs(between) < ROUNDING, 0, between)
        least[pair] = np.abs(sums[a] - sums[b]) - ROUNDING * (added[a] + added[b])
    extreme = np.zeros((len(pairs), shape[1]), np.int64)
    for block in _flipped_sums(columns, permutations, seed):
        flipped = block.reshape(-1, *shape)
        for pair, (a, b) in enumerate(pairs):
            extreme[pair] += (np.abs(flipped[:, a] - flipped[:, b]) >= least[pair]).sum(axis=0)
    first, second = np.triu_indices(shape[0], 1)
    difference = (sums[first] - sums[second]) / len(values)
    return PairedDifferences(difference, ends[0], ends[1], (extreme + 1) / (permutations + 1))


def _flipped_sums(values: np.ndarray, flips: int, seed: int) -> Iterator[np.ndarray]:
    """Yield float64 [≤ FLIPS_AT_ONCE, columns]: sums over users, where each user's row gets one random sign.

    Blocks of users follow each other in the stream of random numbers, and in each of them the flips.
    """
    values = values[values.any(axis=1)]
    total = values.sum(axis=0)
    for first in range(0, flips, FLIPS_AT_ONCE):
        block_flips = min(FLIPS_AT_ONCE, flips - first)
        plus = torch.zeros(values.shape[1], block_flips, dtype=torch.float64)
        for number, start in enumerate(range(0, len(values), USERS_AT_ONCE)):
            block = torch.from_numpy(values[start : start + USERS_AT_ONCE].T.astype(np.float64))
            stream = np.random.PCG64(seed).advance((number * flips + first) * WORDS_A_FLIP)
            bits = np.random.Generator(stream).integers(256, size=(block_flips, USERS_AT_ONCE // 8), dtype=np.uint8)
            signs = torch.from_numpy(np.unpackbits(bits, axis=1, count=block.shape[1])).to(torch.float64)
            plus.addmm_(block, signs.t())
        yield 2 * plus.t().numpy() - total


def holm(p: np.ndarray) -> np.ndarray:
    """Return float64 [tests]: the p values of one family, corrected.

    The source is Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(np.minimum(p[order] * np.arange(len(p), 0, -1), 1))
    return adjusted
