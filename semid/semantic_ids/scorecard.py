"""A tokenizer's scorecard: how its codes are used, where they collide, what they lose."""

import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from semid.files import whole_file

ITEMS_A_CODE = 2
LOW_PERPLEXITY = 0.1
LARGE_BUCKET = 0.1
MANY_COLLISIONS = 0.5
ROWS_AT_ONCE = 8192


def reconstruction_error(
    vectors: Any, decode: Callable[[np.ndarray], Any], codes: np.ndarray, block_rows: int = ROWS_AT_ONCE
) -> dict[str, float | None]:
    """What decoding loses, read in blocks of rows.

    `vectors` is an array-like `[n, dim]`; `decode(codes [m, L])` gives vectors `[m, dim]` in memory of the host.
    `error` is the mean squared distance (summed over dimensions) of a vector to its decoded code, `variance` that to
    the mean of all vectors, `relative_error` their ratio: 0 is lossless, 1 is no better than the mean; None when all
    vectors are equal.
    """
    n, dim = vectors.shape
    if len(codes) != n:
        raise ValueError(f"{n} vectors, but {len(codes)} codes")
    squared = spread = 0.0
    mean = np.zeros(dim)
    for start in range(0, n, block_rows):
        block = np.asarray(vectors[start : start + block_rows], np.float64)
        decoded = np.asarray(decode(codes[start : start + block_rows]), np.float64)
        squared += float(((block - decoded) ** 2).sum())
        # means and sums of squares of blocks are merged as in Chan, Golub and LeVeque (1979): no cancellation
        block_mean = block.mean(axis=0)
        shift = block_mean - mean
        spread += float(((block - block_mean) ** 2).sum())
        spread += float((shift**2).sum()) * start * len(block) / (start + len(block))
        mean += shift * len(block) / (start + len(block))
    return {
        "error": squared / n,
        "variance": spread / n,
        "relative_error": squared / spread if spread > 0 else None,
    }


def _run_lengths(ordered_columns: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """For each column the lengths of the runs of rows that are equal in it and in all columns before it.

    The columns [n] are those of a table sorted by them.
    """
    starts: np.ndarray | None = None
    for column in ordered_columns:
        if starts is None:
            starts = np.zeros(len(column) + 1, bool)
            starts[[0, -1]] = True
        starts[1:-1] |= column[1:] != column[:-1]
        yield np.diff(np.flatnonzero(starts))


def _figures_of_buckets(sizes: np.ndarray) -> dict[str, int]:
    return {"distinct": len(sizes), "items_sharing": int(sizes[sizes > 1].sum()), "largest": int(sizes.max())}


def _collisions(codes: np.ndarray, groups: np.ndarray) -> list[dict[str, int]]:
    """Items that share the first level, the first two, …, the whole code, and at last the code and the embedding."""
    order = np.lexsort([groups, *codes.T[::-1]]).astype(np.int32)
    return list(map(_figures_of_buckets, _run_lengths(column[order] for column in (*codes.T, groups))))


def entropy_bits(counts: np.ndarray) -> float:
    """Entropy in bits of the distribution that non-negative counts [K] describe."""
    share = counts[counts > 0] / counts.sum()
    return max(0.0, -float((share * np.log2(share)).sum()))


def _warnings(card: Mapping[str, Any], codebook_size: int) -> list[str]:
    sentences = []
    if card["train_items_per_code"] < ITEMS_A_CODE:
        sentences.append(
            f"{card['train_items']} training items for codebooks of {codebook_size}: fewer than {ITEMS_A_CODE} a code, "
            "so codes follow single items; use a smaller codebook."
        )
    uneven = [level for level in card["levels"] if level["perplexity"] < LOW_PERPLEXITY * codebook_size]
    if uneven:
        perplexities = ", ".join(f"{level['perplexity']:.1f} at level {level['level']}" for level in uneven)
        sentences.append(
            f"Of {codebook_size} codes a few hold most items (perplexity {perplexities}): the codebook collapsed, or "
            "single outliers took codes of their own; try fewer dimensions (pca_dim, codebook_dim) or codes."
        )
    if card["largest_bucket"] > LARGE_BUCKET * card["items"]:
        sentences.append(
            f"One code holds {card['largest_bucket']} of {card['items']} items "
            f"({card['largest_bucket'] / card['items']:.0%})."
        )
    if len(card["levels"]) > 1 and card["items_in_collisions"] > MANY_COLLISIONS * card["items"]:
        sentences.append(
            f"{card['items_in_collisions'] / card['items']:.0%} of the items share their whole code with another item: "
            "more levels or larger codebooks would tell them apart."
        )
    return sentences


def scorecard(
    codes: np.ndarray,
    codebook_size: int,
    train_items: int,
    groups: np.ndarray,
    reconstruction: Mapping[str, float | None] | None = None,
    note: str | None = None,
) -> dict[str, Any]:
    """Figures of one tokenizer's `codes [n, L]` as a dict that JSON can hold.

    `groups [n]` numbers the distinct embeddings (items with identical embeddings have one number): items that share
    both code and embedding collide whatever the tokenizer. `reconstruction` comes from :func:`reconstruction_error` and
    is None for codes that cannot be decoded. `note` says what kind of data this is.

    `entropy_bits` is the sum over levels of the entropy of a level's codes; `perplexity` is 2 to that entropy.
    """
    n, num_levels = codes.shape
    if not n:
        raise ValueError("no codes")
    if len(groups) != n:
        raise ValueError(f"{n} codes, but {len(groups)} groups")
    *prefixes, identical = _collisions(codes, groups)
    levels = []
    for level in range(num_levels):
        counts = np.bincount(codes[:, level], minlength=codebook_size)
        bits = entropy_bits(counts)
        levels.append(
            {
                "level": level + 1,
                "used_codes": int((counts > 0).sum()),
                "entropy_bits": bits,
                "perplexity": 2.0**bits,
            }
        )
    card: dict[str, Any] = {
        "items": n,
        "train_items": train_items,
        "train_items_per_code": train_items / codebook_size,
        "bits": num_levels * math.log2(codebook_size),
        "entropy_bits": sum(level["entropy_bits"] for level in levels),
        "reconstruction": dict(reconstruction) if reconstruction else None,
        "distinct_codes": prefixes[-1]["distinct"],
        "unique_codes": prefixes[-1]["distinct"] / n,
        "distinct_embeddings": len(np.unique(groups)),
        "items_in_collisions": prefixes[-1]["items_sharing"],
        "items_in_collisions_identical": identical["items_sharing"],
        "largest_bucket": prefixes[-1]["largest"],
        "prefixes": [{"depth": depth, **prefix} for depth, prefix in enumerate(prefixes, start=1)],
        "levels": levels,
    }
    card["warnings"] = _warnings(card, codebook_size)
    card["note"] = note
    return card


_IDENTITY = ("dataset", "tokenizer", "method", "variant", "num_levels", "codebook_size", "seed")
_FIGURES = (
    "bits",
    "entropy_bits",
    "items",
    "train_items",
    "train_items_per_code",
    "distinct_codes",
    "unique_codes",
    "items_in_collisions",
    "items_in_collisions_identical",
    "largest_bucket",
)
_TRAINING = ("epoch_kept", "rollbacks")


def _cell(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else value


def collect_scorecards(paths: Sequence[str | Path], output_csv: str | Path) -> None:
    """Write one row a scorecard, in the order given, to `output_csv`; figures of levels are joined by `/`."""
    per_level = ("used_codes", "perplexity")
    header = [
        *_IDENTITY,
        *_FIGURES,
        "reconstruction_error",
        "relative_error",
        *per_level,
        "warnings",
        "note",
        *_TRAINING,
    ]
    with whole_file(output_csv) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for path in paths:
            card = json.loads(Path(path).read_text(encoding="utf-8"))
            reconstruction = card["reconstruction"] or {}
            row = [card[name] for name in (*_IDENTITY, *_FIGURES)]
            row += [reconstruction.get("error"), reconstruction.get("relative_error")]
            row += ["/".join(f"{level[name]:.4g}" for level in card["levels"]) for name in per_level]
            row += [" ".join(card["warnings"]), card["note"]]
            row += [card["fit"].get(name) for name in _TRAINING]
            writer.writerow(map(_cell, row))
