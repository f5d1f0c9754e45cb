"""The first centroids of k-means: greedy k-means++ on a sample."""

import logging

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

# the candidates of a round of seeding, at least
SEEDS_DRAWN = 32

_ROWS_AT_ONCE = 4096

# distances are differences of large numbers: below this share of ‖x‖² they are rounding
ROUNDING = 1e-6


def seed_centroids(rows: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """Choose `k` of the rows [n, d] as centroids [k, d], a few in each round, from a sample of the rows.

    This is greedy k-means++ (Arthur and Vassilvitskii, 2007). A round draws candidates with a probability proportional
    to their squared distance to the nearest centroid so far, and takes, one after another, those that lower the sum of
    the distances most. It takes k / 128 candidates, but at least 4, of the 32 or more that it draws. From 4,096
    clusters on it takes all that it draws, which is k-means|| (Bahmani et al., 2012). For fewer clusters the choice
    keeps outliers from becoming centroids. Where the sample has fewer distinct rows than there are clusters, the last
    centroids repeat the first.
    """
    size = min(len(rows), max(12_288, 4 * k))
    chosen = torch.randperm(len(rows), generator=generator)[:size].sort().values
    sample = rows if size == len(rows) else rows[chosen.to(rows.device)]
    norms = sample.square().sum(dim=1)
    first = torch.randint(size, (1,), generator=generator).to(rows.device)
    centroids = sample[first]
    distances = _squared_distances(sample, norms, centroids)[:, 0]
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
            distances = torch.minimum(distances, to_candidates.amin(dim=1))
        else:
            taken = []
            for _ in range(wanted):
                best = int(torch.minimum(to_candidates, distances[:, None]).sum(dim=0).argmin())
                if distances[drawn[best]] == 0:
                    break  # the candidates that are left equal one that was taken
                distances = torch.minimum(distances, to_candidates[:, best])
                taken.append(best)
        centroids = torch.cat([centroids, candidates[taken]])
    return centroids


def _squared_distances(rows: Tensor, norms: Tensor, centroids: Tensor) -> Tensor:
    """Return squared distances [n, m] of rows [n, d] to centroids [m, d]; those that are mere rounding are 0.

    `norms` [n] are the squared lengths of the rows.
    """
    distances = rows.new_empty(len(rows), len(centroids))
    lengths, columns = centroids.square().sum(dim=1), centroids.t()
    # products of a few columns with many rows are slow, unless the rows stay in cache
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part, of_part = rows[start : start + _ROWS_AT_ONCE], norms[start : start + _ROWS_AT_ONCE, None]
        found = torch.addmm(lengths, part, columns, alpha=-2, out=distances[start : start + _ROWS_AT_ONCE])
        found.add_(of_part).masked_fill_(found <= ROUNDING * of_part, 0)
    return distances
