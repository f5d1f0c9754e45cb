"""k-means: D² seeding on a sample, Lloyd iterations over all rows, empty clusters refilled by splitting large ones."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from semid.errors import InputError
from semid.quantizers.nearest import NearestCodeword
from semid.quantizers.residual import residual_walk
from semid.quantizers.screening import QuantizedRows, quantize_rows

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 10.0
# candidates of a round of seeding, at least
SEEDS_DRAWN = 32

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
    scratch: str | Path | None = None,
) -> KMeans:
    """Cluster float32 rows [n, d] into `k` ≤ n clusters.

    Rows much farther from the origin than from each other should come less their mean: their distances are rounding.
    Stops early when an update lowers the error by less than `tolerance` of it. The same seed gives the same result
    whatever the block sizes and threads, as far as float32 products allow. `scratch`: the folder of a file for the rows
    as int8; None is memory.
    """
    if not 1 <= k <= len(rows):
        raise InputError(f"cannot make {k} clusters of {len(rows)} rows: the codebook size must not exceed the rows")
    generator = torch.Generator().manual_seed(seed)
    centroids = _seed_centroids(rows, k, generator)
    center = centroids.mean(dim=0)
    norms = torch.cat([block.square().sum(dim=1) for block in rows.split(row_block)])
    quantized: QuantizedRows | None = None
    previous = float("inf")
    labels, sums = torch.full((len(rows),), -1, device=rows.device), torch.zeros_like(centroids)
    started = printed = time.monotonic()
    for iteration in range(iterations + 1):
        nearest = NearestCodeword(centroids, codeword_block, center)
        if nearest.screens and quantized is None:
            quantized = quantize_rows(rows, center, scratch)
        before, labels = labels, torch.empty_like(labels)
        for start in range(0, len(rows), row_block):
            stop = min(start + row_block, len(rows))
            part = quantized.part(start, stop) if quantized else None
            labels[start:stop] = nearest.codes(rows[start:stop], part)
        sums = _cluster_sums(rows, labels, before, sums, row_block)
        sizes, errors = _cluster_errors(norms, sums, centroids, labels)
        error = float(errors.sum()) / len(rows)
        if iteration == iterations or previous - error <= tolerance * error:
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
    unused = int((sizes == 0).sum())
    if unused:
        logger.warning("%d of %d clusters stay unused", unused, k)
    return KMeans(centroids, labels, sizes, _mean_error(rows, centroids, labels, row_block), iteration)


def residual_kmeans(
    rows: Tensor,
    level_sizes: Sequence[int],
    *,
    iterations: int,
    tolerance: float = 1e-4,
    seed: int,
    row_block: int,
    codeword_block: int,
    scratch: str | Path | None,
) -> tuple[Tensor, Tensor]:
    """Codebooks [L, K, d] and cluster sizes [L, K]: k-means of rows [n, d], of what it leaves, ….

    `level_sizes`: the clusters of each of the L levels, the largest being K; beyond a level's own both are zero.
    Overwrites `rows`. Other arguments as of :func:`kmeans`.
    """
    codebooks: list[Tensor] = []
    cluster_sizes = []

    def cluster(level: int, residual: Tensor) -> Tensor:
        started, k = time.monotonic(), level_sizes[level]
        found = kmeans(
            residual,
            k,
            iterations=iterations,
            tolerance=tolerance,
            seed=seed * 1_000 + level,
            row_block=row_block,
            codeword_block=codeword_block,
            scratch=scratch,
        )
        logger.info(
            "level %d of %d: error %.5f, %d of %d codes used, %d iterations, %.1f s",
            *(level + 1, len(level_sizes), found.error, int((found.sizes > 0).sum()), k),
            *(found.iterations, time.monotonic() - started),
        )
        codebooks.append(found.centroids)
        cluster_sizes.append(found.sizes)
        return found.labels

    for _ in residual_walk(rows, len(level_sizes), cluster, codebooks, row_block):
        pass
    return pad_sequence(codebooks, batch_first=True), pad_sequence(cluster_sizes, batch_first=True)


def _cluster_sums(rows: Tensor, labels: Tensor, before: Tensor, sums: Tensor, row_block: int) -> Tensor:
    """The sum of the rows of each cluster [K, d]; from the `sums` of the labels `before` where few rows moved."""
    moved = (labels != before).nonzero().flatten()
    if len(moved) > len(rows) // 4:
        sums = torch.zeros_like(sums)
        for block, block_labels in zip(rows.split(row_block), labels.split(row_block), strict=True):
            sums.index_add_(0, block_labels, block)
        return sums
    for part in moved.split(row_block):
        block = rows.index_select(0, part)
        sums.index_add_(0, labels[part], block).index_add_(0, before[part], block, alpha=-1)
    return sums


def _cluster_errors(norms: Tensor, sums: Tensor, centroids: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Per cluster the number of rows [K] and their summed squared distance to its centroid, float64 [K].

    The last as Σ‖x‖² − 2⟨Σx, c⟩ + size · ‖c‖², which needs no distances of rows.
    """
    k = len(centroids)
    sizes = torch.bincount(labels, minlength=k)
    exact = "cpu" if norms.device.type == "mps" else norms.device  # mps has no float64
    squares = torch.zeros(k, dtype=torch.float64, device=exact).index_add_(
        0, labels.to(exact), norms.to(exact).double()
    )
    products = (sums * centroids).sum(dim=1).to(exact).double()
    lengths = centroids.square().sum(dim=1).to(exact).double()
    return sizes, (squares - 2 * products + sizes.to(exact) * lengths).clamp_(min=0)


def _mean_error(rows: Tensor, centroids: Tensor, labels: Tensor, row_block: int) -> float:
    """Mean squared distance of rows [n, d] to the centroids that labels [n] name, without cancellation."""
    total = 0.0
    for block, block_labels in zip(rows.split(row_block), labels.split(row_block), strict=True):
        total += float((block - centroids.index_select(0, block_labels)).square().sum())
    return total / len(rows)


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


def _seed_centroids(rows: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """Greedy k-means++ (Arthur and Vassilvitskii, 2007) on a sample, a few rows a round.

    A round draws candidates with probability proportional to their squared distance to the nearest centroid so far,
    and takes, one after another, those that lower the sum of the distances most: 4 of 32 up to 512 clusters, and 32 of
    32 from 4,096 on, which is k-means|| (Bahmani et al., 2012). Without the choice, outliers become centroids.
    """
    size = min(len(rows), max(12_288, 4 * k))
    chosen = torch.randperm(len(rows), generator=generator)[:size].sort().values
    sample = rows if size == len(rows) else rows[chosen.to(rows.device)]
    norms = sample.square().sum(dim=1)
    first = torch.randint(size, (1,), generator=generator).to(rows.device)
    centroids = sample[first]
    distances = _squared_distances(sample, norms, centroids)[0]
    per_round = max(4, k // 128)
    while len(centroids) < k:
        weights = distances.cpu()
        distinct = int((weights > 0).sum())
        left = k - len(centroids)
        if distinct == 0:
            where = "there are" if size == len(rows) else f"the sample of {size:,} rows to start from has"
            logger.warning("%s fewer distinct rows than clusters: %d of %d clusters start empty", where, left, k)
            return torch.cat([centroids, centroids[:1].expand(left, -1)])
        drawn = torch.multinomial(weights, min(max(SEEDS_DRAWN, per_round), distinct), generator=generator)
        candidates = sample[drawn.to(rows.device)]
        to_candidates = _squared_distances(sample, norms, candidates)
        wanted = min(per_round, left, len(candidates))
        if wanted == len(candidates):
            taken = list(range(wanted))
            distances = torch.minimum(distances, to_candidates.amin(dim=0))
        else:
            taken = []
            for _ in range(wanted):
                best = int(torch.minimum(to_candidates, distances).sum(dim=1).argmin())
                if distances[drawn[best]] == 0:
                    break  # what is left of them equals one that was taken
                distances = torch.minimum(distances, to_candidates[best])
                taken.append(best)
        centroids = torch.cat([centroids, candidates[taken]])
    return centroids


def _squared_distances(rows: Tensor, norms: Tensor, centroids: Tensor) -> Tensor:
    """Squared distances [m, n] of rows [n, d], of squared lengths `norms` [n], to centroids [m, d]; rounding is 0."""
    distances = torch.addmm(norms, centroids, rows.t(), alpha=-2).add_(centroids.square().sum(dim=1)[:, None])
    return distances.masked_fill_(distances <= _ROUNDING * norms, 0)
