"""k-means: D² seeding on a sample, Lloyd iterations over all rows, empty clusters refilled by splitting large ones."""

import logging
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from semid.errors import InputError
from semid.quantizers.nearest import NearestCodeword

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 10.0

# distances are differences of large numbers: below this share of ‖x‖² they are rounding
_ROUNDING = 1e-6


@dataclass(frozen=True)
class KMeans:
    """A clustering of n rows of width d in K clusters.

    `centroids` float32 [K, d]; `labels` int64 [n], the nearest centroid of each row; `sizes` int64 [K];
    `error`: mean squared distance to the assigned centroid; `iterations`: Lloyd updates made.
    """

    centroids: Tensor
    labels: Tensor
    sizes: Tensor
    error: float
    iterations: int


def kmeans(
    rows: Tensor,
    k: int,
    *,
    iterations: int = 25,
    tolerance: float = 1e-4,
    seed: int = 0,
    row_block: int = 2048,
    codeword_block: int = 1024,
) -> KMeans:
    """Cluster float32 rows [n, d] into `k` ≤ n clusters.

    Stops early when an update lowers the error by less than `tolerance` of it. The same seed gives the same result
    whatever the block sizes and threads, as far as float32 products allow.
    """
    if not 1 <= k <= len(rows):
        raise InputError(f"cannot make {k} clusters of {len(rows)} rows: the codebook size must not exceed the rows")
    generator = torch.Generator().manual_seed(seed)
    centroids = _seed_centroids(rows, k, generator, codeword_block)
    norms = torch.cat([block.square().sum(dim=1) for block in rows.split(row_block)])
    previous = float("inf")
    started = printed = time.monotonic()
    for iteration in range(iterations + 1):
        labels, sizes, errors, sums = _assign(rows, norms, centroids, row_block, codeword_block)
        error = float(errors.sum()) / len(rows)
        last = iteration == iterations or previous - error <= tolerance * error
        if last:
            break
        previous = error
        if time.monotonic() - printed >= SECONDS_BETWEEN_LINES:
            printed = time.monotonic()
            seconds = (printed - started) / (iteration + 1)
            logger.info(
                "k-means: %d of at most %d iterations, error %.5f, %.0f rows/s, at most %.0f s left",
                *(iteration + 1, iterations + 1, error, len(rows) / seconds, (iterations - iteration) * seconds),
            )
        used = sizes > 0
        centroids = torch.where(used[:, None], sums / sizes.clamp(min=1)[:, None], centroids)
        # a split in the last update would leave both halves off their mean
        if iteration + 1 < iterations:
            _split_large_clusters(centroids, sizes, errors, _ROUNDING * float(norms.mean()))
    return KMeans(centroids, labels, sizes, error, iteration)


def _assign(
    rows: Tensor, norms: Tensor, centroids: Tensor, row_block: int, codeword_block: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Labels [n], and per cluster the size, the summed squared distance (float64) and the sum of its rows."""
    k = len(centroids)
    nearest = NearestCodeword(centroids, codeword_block)
    labels = torch.empty(len(rows), dtype=torch.int64, device=rows.device)
    errors = torch.zeros(k, dtype=torch.float64, device=rows.device if rows.device.type != "mps" else "cpu")
    sums = torch.zeros_like(centroids)
    for start in range(0, len(rows), row_block):
        block = rows[start : start + row_block]
        codes, scores = nearest(block)
        labels[start : start + row_block] = codes
        distances = (scores + norms[start : start + row_block]).clamp_(min=0)
        errors.index_add_(0, codes.to(errors.device), distances.to(errors.device, errors.dtype))
        sums.index_add_(0, codes, block)
    return labels, torch.bincount(labels, minlength=k), errors, sums


def _split_large_clusters(centroids: Tensor, sizes: Tensor, errors: Tensor, rounding: float) -> None:
    """Move each empty centroid beside that of a large cluster, in place, so that the next assignment splits it.

    As faiss does: both are scaled by 1 ± 1/1024 in alternating dimensions. A cluster of equal rows is not split.
    """
    empty = (sizes == 0).nonzero().flatten().tolist()
    if not empty:
        return
    sizes = sizes.cpu().clone()
    sizes[errors.cpu() <= rounding * sizes] = 0
    sign = torch.ones(centroids.shape[1], device=centroids.device)
    sign[1::2] = -1
    for cluster in empty:
        large = int(sizes.argmax())
        if sizes[large] < 2:
            return
        centroids[cluster] = centroids[large] * (1 + sign / 1024)
        centroids[large] *= 1 - sign / 1024
        sizes[cluster] = sizes[large] // 2
        sizes[large] -= sizes[cluster]


def _seed_centroids(rows: Tensor, k: int, generator: torch.Generator, codeword_block: int) -> Tensor:
    """k-means++ (Arthur and Vassilvitskii, 2007) on a sample; several rows a round where `k` is large.

    A round draws max(1, k // 256) rows with probability proportional to their squared distance to the nearest
    centroid so far, as in k-means|| (Bahmani et al., 2012).
    """
    size = min(len(rows), max(20_480, 16 * k))
    chosen = torch.randperm(len(rows), generator=generator)[:size].sort().values
    sample = rows if size == len(rows) else rows[chosen.to(rows.device)]
    norms = sample.square().sum(dim=1)
    distances = torch.full((size,), float("inf"), device=rows.device)
    picked = torch.randint(size, (1,), generator=generator)
    centroids = sample[picked.to(rows.device)]
    while True:
        newest = centroids[-len(picked) :]
        _, scores = NearestCodeword(newest, codeword_block)(sample)
        distances = torch.minimum(distances, (scores + norms).clamp_(min=0))
        distances[distances <= _ROUNDING * norms] = 0
        left = k - len(centroids)
        if left == 0:
            return centroids
        weights = distances.cpu()
        distinct = int((weights > 0).sum())
        if distinct == 0:
            logger.warning("fewer distinct rows than clusters: %d of %d clusters will stay unused", left, k)
            return torch.cat([centroids, centroids[:1].expand(left, -1)])
        picked = torch.multinomial(weights, min(max(1, k // 256), left, distinct), generator=generator)
        centroids = torch.cat([centroids, sample[picked.to(rows.device)]])
