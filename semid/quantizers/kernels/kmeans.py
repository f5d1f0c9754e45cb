"""k-means of rows, and of their residuals level by level.

The centroids are seeded on a sample, Lloyd iterations go over all rows, and an empty cluster is refilled by splitting a
large one.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from semid.errors import InputError
from semid.progress import Progress
from semid.quantizers.kernels.assignment import Assignment
from semid.quantizers.kernels.residual import residual_walk
from semid.quantizers.kernels.seeding import ROUNDING, seed_centroids
from semid.statistics.sums import add_rows, empty_sums, exact_zeros, mean_rows

logger = logging.getLogger(__name__)

# the time between two lines of the log that say how far a fit is
SECONDS_BETWEEN_LINES = 10.0
# Residuals that are centroids of later levels begin at this share of their length (see `residual_kmeans`).
SEED_SCALE = 0.35


@dataclass(frozen=True)
class KMeans:
    """A clustering of n rows of width d in K clusters.

    `centroids` are float32 [K, d]. `labels`, int64 [n], name the nearest centroid of each row, and `sizes`, int64 [K],
    count the rows of each cluster. `error` is the mean squared distance of a row to its centroid, and `iterations` the
    number of Lloyd updates that were made.
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
    seed_scale: float = 1.0,
    row_block: int = 2048,
    codeword_block: int = 1024,
    scratch: str | Path | None = None,
    progress: Callable[[int], object] | None = None,
) -> KMeans:
    """Cluster float32 rows [n, d] into `k` ≤ n clusters.

    Rows that lie much farther from the origin than from each other should be given less their mean, since what float32
    leaves of their distances is rounding. The iterations stop early when an update lowers the error by less than
    `tolerance` of it. The same seed gives the same result whatever the block sizes and the number of threads, as far as
    float32 products allow; on CUDA sums have no fixed order, so that two fits differ by rounding. Many clusters are
    compared as :mod:`semid.quantizers.kernels.assignment` says; at the end every row has its nearest. The rows as int8
    are kept in a file in the folder `scratch`, or in memory where it is None. The first centroids are rows times
    `seed_scale`. `progress` is called with 1 after each update. Raises `InputError` when there are fewer rows than
    clusters.
    """
    if not 1 <= k <= len(rows):
        raise InputError(f"cannot make {k} clusters of {len(rows)} rows: the codebook size must not exceed the rows")
    generator = torch.Generator().manual_seed(seed)
    centroids = seed_centroids(rows, k, generator) * seed_scale
    assignment = Assignment(rows, centroids, row_block, codeword_block, scratch)
    norms = torch.cat([block.square().sum(dim=1) for block in rows.split(row_block)])
    rounding, previous = ROUNDING * float(norms.mean()), float("inf")
    labels = torch.full((len(rows),), -1, device=rows.device)
    sums = empty_sums(k, rows.shape[1], len(rows), rows.device)
    started = printed = time.monotonic()
    for iteration in range(iterations + 1):
        is_last = iteration == iterations
        before, labels = labels, assignment(centroids, is_last)
        sums = _cluster_sums(rows, labels, before, sums, row_block)
        sizes, errors = _cluster_errors(norms, sums, centroids, labels)
        error = float(errors.sum()) / len(rows)
        is_better = previous - error > tolerance * error
        if is_last or not (is_better or assignment.by_lists):
            break
        assignment.by_lists = assignment.by_lists and is_better
        previous = error
        if time.monotonic() - printed >= SECONDS_BETWEEN_LINES:
            printed = time.monotonic()
            _log_progress(iteration, iterations, error, len(rows), printed - started)
        used = sizes > 0
        centroids = torch.where(used[:, None], mean_rows(sums, sizes, rows.device), centroids)
        # a split in the last update would leave both halves off their mean
        if iteration + 1 < iterations and _split_large_clusters(centroids, sizes, errors, rounding):
            assignment.list_anew()
        if progress is not None:
            progress(1)
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
    seed_scale: float,
    row_block: int,
    codeword_block: int,
    scratch: str | Path | None,
    verbose: bool = False,
) -> tuple[Tensor, Tensor]:
    """Cluster rows [n, d], then what their centroids leave of them, and so on: residual k-means.

    Returns codebooks [L, K, d] and cluster sizes [L, K]. `level_sizes` holds the number of clusters of each of the L
    levels, of which K is the largest; beyond the clusters of a level both results are zero. `rows` are overwritten.
    `verbose` shows the progress of every level. The other arguments are those of :func:`kmeans`.

    Residuals of many dimensions are almost orthogonal, so that a centroid at one of them is farther from every other
    than the origin is, and serves that row alone. So from the second level on the first centroids are residuals
    shortened to `seed_scale` of their length: a row x prefers such a centroid s to the origin from ⟨x, s⟩ > ‖s‖² / 2
    on, which more rows reach the shorter s is.
    """
    codebooks: list[Tensor] = []
    cluster_sizes = []

    def cluster(level: int, residual: Tensor) -> Tensor:
        started, k = time.monotonic(), level_sizes[level]
        what = f"level {level + 1} of {len(level_sizes)}"
        with Progress(iterations, what, "iterations", shown=verbose) as progress:
            clustering = kmeans(
                residual,
                k,
                iterations=iterations,
                tolerance=tolerance,
                seed=seed * 1_000 + level,
                seed_scale=seed_scale if level else 1.0,
                row_block=row_block,
                codeword_block=codeword_block,
                scratch=scratch,
                progress=progress.update,
            )
            progress.end_early()
        logger.info(
            "%s: error %.5f, %d of %d codes used, %d iterations, %.1f s",
            what,
            clustering.error,
            int((clustering.sizes > 0).sum()),
            k,
            clustering.iterations,
            time.monotonic() - started,
        )
        codebooks.append(clustering.centroids)
        cluster_sizes.append(clustering.sizes)
        return clustering.labels

    for _ in residual_walk(rows, len(level_sizes), cluster, codebooks, row_block):
        pass
    return pad_sequence(codebooks, batch_first=True), pad_sequence(cluster_sizes, batch_first=True)


def _log_progress(iteration: int, iterations: int, error: float, n: int, seconds: float) -> None:
    """Say how far a clustering of `n` rows is after so many seconds, and how long it takes at most from here."""
    per_iteration = seconds / (iteration + 1)
    logger.info(
        "k-means: %d of at most %d iterations, error %.5f, %.0f rows/s, at most %.0f s left",
        iteration + 1,
        iterations,
        error,
        n / per_iteration,
        (iterations - iteration) * per_iteration,
    )


def _cluster_sums(rows: Tensor, labels: Tensor, before: Tensor, sums: Tensor, row_block: int) -> Tensor:
    """Sum the rows of each cluster, [K, d], by correcting the `sums` of the labels `before` where few rows moved."""
    moved = (labels != before).nonzero().flatten()
    if len(moved) > len(rows) // 4:
        sums = torch.zeros_like(sums)
        for block, block_labels in zip(rows.split(row_block), labels.split(row_block), strict=True):
            add_rows(sums, block_labels, block)
        return sums
    for part in moved.split(row_block):
        block = rows.index_select(0, part).to(sums)
        add_rows(add_rows(sums, labels[part], block), before[part], block, alpha=-1)
    return sums


def _cluster_errors(norms: Tensor, sums: Tensor, centroids: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Count the rows of each cluster, int64 [K], and sum their squared distances to its centroid, float64 [K].

    The sum is Σ‖x‖² − 2⟨Σx, c⟩ + size · ‖c‖², which needs no distance of a row.
    """
    k = len(centroids)
    sizes = torch.bincount(labels, minlength=k)
    squares = exact_zeros(k, device=norms.device)
    exact = squares.device
    squares.index_add_(0, labels.to(exact), norms.to(squares))
    products = (sums * centroids.to(sums.device)).sum(dim=1).to(exact).double()
    lengths = centroids.square().sum(dim=1).to(exact).double()
    return sizes, (squares - 2 * products + sizes.to(exact) * lengths).clamp_(min=0)


def _mean_error(rows: Tensor, centroids: Tensor, labels: Tensor, row_block: int) -> float:
    """Return the mean squared distance of rows [n, d] to the centroids that labels [n] name, without cancellation."""
    total = 0.0
    for block, block_labels in zip(rows.split(row_block), labels.split(row_block), strict=True):
        total += float((block - centroids.index_select(0, block_labels)).square().sum())
    return total / len(rows)


def _split_large_clusters(centroids: Tensor, sizes: Tensor, errors: Tensor, rounding: float) -> bool:
    """Move each empty centroid beside that of a large cluster, in place, so that the next assignment splits it.

    Both are scaled by 1 ± 1/1024 in alternating dimensions, as faiss does. A cluster of equal rows is not split.
    Returns whether a centroid was moved.
    """
    empty = (sizes == 0).nonzero().flatten().tolist()
    if not empty:
        return False
    sizes = sizes.cpu().clone()
    sizes[errors.cpu() <= rounding * sizes] = 0
    sign = torch.ones(centroids.shape[1], device=centroids.device)
    sign[1::2] = -1
    for cluster in empty:
        large = int(sizes.argmax())
        if sizes[large] < 2:
            return cluster != empty[0]
        centroids[cluster] = centroids[large] * (1 + sign / 1024)
        centroids[large] *= 1 - sign / 1024
        sizes[cluster] = sizes[large] // 2
        sizes[large] -= sizes[cluster]
    return True
