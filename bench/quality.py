"""How good an output is: the same functions for every library, in float64 where it counts."""

import numpy as np

ROWS = 2048


def _squared(differences: np.ndarray) -> float:
    return float(np.square(differences).sum())


def clustering_error(rows: np.ndarray, centroids: np.ndarray) -> float:
    """Mean squared distance of all rows [n, dim] to the nearest of centroids [k, dim].

    The nearest is found in float32, which may take another of two that are equally near; its distance is float64.
    """
    import torch  # not above: the workers load this module, and torch only where it is measured

    columns = torch.from_numpy(centroids).t()
    norms = torch.from_numpy(centroids).square().sum(dim=1)
    total = 0.0
    for start in range(0, len(rows), ROWS):
        block = rows[start : start + ROWS]
        nearest = torch.addmm(norms, torch.from_numpy(block), columns, alpha=-2).argmin(dim=1).numpy()
        total += _squared(block.astype(np.float64) - centroids[nearest])
    return total / len(rows)


def residual_error(rows: np.ndarray, codebooks: np.ndarray, codes: np.ndarray) -> float:
    """Mean squared distance of rows [n, dim] to the sum of the codewords [L, k, dim] that codes [n, L] name."""
    total = 0.0
    for start in range(0, len(rows), ROWS):
        left = rows[start : start + ROWS].astype(np.float64)
        for codebook, code in zip(codebooks, codes[start : start + ROWS].T, strict=True):
            left -= codebook[code]
        total += _squared(left)
    return total / len(rows)


def reconstruction_error(rows: np.ndarray, decoded: np.ndarray) -> float:
    """Mean squared distance of rows [n, dim] to what they were decoded to [n, dim]."""
    blocks = range(0, len(rows), ROWS)
    return sum(_squared(rows[at : at + ROWS].astype(np.float64) - decoded[at : at + ROWS]) for at in blocks) / len(rows)


def unique_codes(codes: np.ndarray) -> float:
    """Distinct rows of codes [n, L] as a share of n."""
    return len(np.unique(codes, axis=0)) / len(codes)


def usage(codes: np.ndarray, k: int) -> tuple[float, int]:
    """Perplexity of the first level, and codes of all levels that no row uses, of codes [n, L] below `k`."""
    counts = np.stack([np.bincount(column, minlength=k) for column in codes.T])
    shares = counts[0][counts[0] > 0] / len(codes)
    return float(np.exp(-(shares * np.log(shares)).sum())), int((counts == 0).sum())
