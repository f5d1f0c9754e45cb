"""A tokenizer's scorecard: how its codes are used, where they collide, what they lose."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from semid.entropy import entropy_bits
from semid.files import whole_file
from semid.naming import nominal_bits

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


def _figures_of_buckets(sizes: np.ndarray) -> dict[str, Any]:
    n = int(sizes.sum())
    return {
        "distinct": len(sizes),
        "items_sharing": int(sizes[sizes > 1].sum()),
        "largest": int(sizes.max()),
        "chance": int((sizes * (sizes - 1)).sum()) / (n * (n - 1)) if n > 1 else None,
    }


def _collisions(codes: np.ndarray, groups: np.ndarray) -> list[dict[str, Any]]:
    """Items that share the first level, the first two, …, the whole code, and at last the code and the embedding."""
    order = np.lexsort([groups, *codes.T[::-1]]).astype(np.int32)
    return list(map(_figures_of_buckets, _run_lengths(column[order] for column in (*codes.T, groups))))


def gini(counts: np.ndarray) -> float:
    """Gini coefficient of non-negative counts [K]: 0 when all are equal, 1 - 1/K when one code holds everything.

    FORGE (Fu et al., 2025, arXiv:2509.20904) proposes it as a proxy for the quality of semantic IDs.
    """
    k = len(counts)
    return float(2 * (np.arange(1, k + 1) * np.sort(counts)).sum() / (k * counts.sum()) - (k + 1) / k)


def _lifts(shares: Sequence[float], prefixes: Sequence[Mapping[str, Any]]) -> list[float | None]:
    """Shares of pairs with a common prefix over what chance gives; None where no two items have one."""
    chances = (prefix["chance"] for prefix in prefixes)
    return [share / chance if chance else None for share, chance in zip(shares, chances, strict=True)]


def _warnings(card: Mapping[str, Any], sizes: Sequence[int], external: bool) -> list[str]:
    sentences = []
    if card["train_items_per_code"] < ITEMS_A_CODE:
        sentences.append(
            f"{card['train_items']} training items for codebooks of {max(sizes)}: fewer than {ITEMS_A_CODE} a code, "
            "so codes follow single items; use a smaller codebook."
        )
    uneven = [
        level for level, size in zip(card["levels"], sizes, strict=True) if level["perplexity"] < LOW_PERPLEXITY * size
    ]
    if uneven:
        perplexities = ", ".join(f"{level['perplexity']:.1f} at level {level['level']}" for level in uneven)
        # options of a training that was elsewhere cannot be tried
        advice = "" if external else "; try fewer dimensions (pca_dim, codebook_dim) or codes"
        of_sizes = " or ".join(map(str, sorted({sizes[level["level"] - 1] for level in uneven}, reverse=True)))
        sentences.append(
            f"Of {of_sizes} codes a few hold most items (perplexity {perplexities}): the codebook collapsed, or "
            f"single outliers took codes of their own{advice}."
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
    sizes: Sequence[int],
    train_items: int,
    groups: np.ndarray,
    reconstruction: Mapping[str, float | None] | None = None,
    note: str | None = None,
    structure: Mapping[str, Any] | None = None,
    external: bool = False,
) -> dict[str, Any]:
    """Figures of one tokenizer's `codes [n, L]` as a dict that JSON can hold.

    `sizes` are those of the codebooks, level by level; `train_items_per_code` goes by the largest.
    `groups [n]` numbers the distinct embeddings (items with identical embeddings have one number): items that share
    both code and embedding collide whatever the tokenizer. `reconstruction` comes from :func:`reconstruction_error` and
    is None for codes that cannot be decoded. `note` says what kind of data this is. `structure` are figures by name, as
    `semid.evaluation.structure` gives them. `external` codes were made elsewhere: no option here could change them.

    `entropy_bits` is the sum over levels of the entropy of a level's codes; `perplexity` is 2 to that entropy. Of a
    prefix `chance` is the probability that two different items drawn at random share it: what a random permutation of
    the items over the codes gives any pair of them.
    """
    n, num_levels = codes.shape
    if not n:
        raise ValueError("no codes")
    if len(groups) != n:
        raise ValueError(f"{n} codes, but {len(groups)} groups")
    *prefixes, identical = _collisions(codes, groups)
    levels = []
    for level in range(num_levels):
        counts = np.bincount(codes[:, level], minlength=sizes[level])
        bits = entropy_bits(counts)
        levels.append(
            {
                "level": level + 1,
                "used_codes": int((counts > 0).sum()),
                "entropy_bits": bits,
                "perplexity": 2.0**bits,
                "gini": gini(counts),
            }
        )
    card: dict[str, Any] = {
        "items": n,
        "train_items": train_items,
        "train_items_per_code": train_items / max(sizes),
        "bits": nominal_bits(sizes),
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
    if structure is not None:
        shares = structure["cooccurrence"]
        lifts = None if shares is None else _lifts(shares, prefixes)
        card["structure"] = {**structure, "cooccurrence_lift": lifts}
    else:
        card["structure"] = None
    card["warnings"] = _warnings(card, sizes, external)
    card["note"] = note
    return card


_IDENTITY = ("dataset", "tokenizer", "method", "variant", "num_levels", "codebook_size", "seed")
_COUNTS = (
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
_RECONSTRUCTION = {"reconstruction_error": "error", "relative_error": "relative_error"}
_USAGE = ("used_codes", "perplexity")
_TRAINING = ("epoch_kept", "rollbacks")
_STRUCTURE = (
    "category_level",
    "category_ami",
    "cosine_prefix_spearman",
    "neighbours_same_level1",
    "neighbours_same_code",
    "embedding_hitrate@100",
    "decoded_hitrate@100",
)
_COOCCURRENCE = ("cooccurrence", "cooccurrence_chance", "cooccurrence_lift")

SCORECARD_COLUMNS = (
    *(*_IDENTITY, *_COUNTS, *_RECONSTRUCTION, *_USAGE, "warnings", "note", *_TRAINING),
    *("gini", *_STRUCTURE, *_COOCCURRENCE),
)
# what may tell tokenizers of one dataset apart: a number each, and numbers by level joined by `/`
SCALAR_FIGURES = tuple(
    name
    for name in (*_COUNTS, *_RECONSTRUCTION, *_STRUCTURE)
    if name not in ("items", "train_items", "category_level", "embedding_hitrate@100")
)
LEVEL_FIGURES = (*_USAGE, "gini", *_COOCCURRENCE)


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return "/".join("" if number is None else f"{number:.4g}" for number in value)
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else value


def _row(card: Mapping[str, Any]) -> dict[str, Any]:
    reconstruction, structure, levels = card["reconstruction"] or {}, card["structure"] or {}, card["levels"]
    row = {name: card[name] for name in (*_IDENTITY, *_COUNTS, "note")}
    row |= {column: reconstruction.get(name) for column, name in _RECONSTRUCTION.items()}
    row |= {name: [level[name] for level in levels] for name in (*_USAGE, "gini")}
    row |= {name: card["fit"].get(name) for name in _TRAINING}
    row |= {name: structure.get(name) for name in (*_STRUCTURE, *_COOCCURRENCE)}
    if row["cooccurrence"] is not None:
        row["cooccurrence_chance"] = [prefix["chance"] for prefix in card["prefixes"]]
    row["warnings"] = " ".join(card["warnings"])
    return {name: _cell(value) for name, value in row.items()}


def collect_scorecards(paths: Sequence[str | Path], output_csv: str | Path) -> None:
    """Write one row a scorecard, in the order given, to `output_csv`; figures of levels are joined by `/`."""
    with whole_file(output_csv) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, SCORECARD_COLUMNS, lineterminator="\n")
        writer.writeheader()
        for path in paths:
            writer.writerow(_row(json.loads(Path(path).read_text(encoding="utf-8"))))
