"""Whether new items suit a tokenizer that is loaded, or another should be trained.

Each figure compares new items with those whose IDs were given out before. One figure speaks for another training where
it is both beyond a limit, so that it matters, and beyond what as many items without a drift give in one of a hundred
cases, so that it is no accident.

Codewords lie closer to the items that they are means of than to others that are drawn alike. With few training items a
code that alone would look like a drift, so that limits start at what is expected of items that no training saw.
"""

import csv
import logging
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from io import StringIO
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import torch
from scipy import stats  # type: ignore[import-untyped]

from semid.embeddings import EmbeddingStore
from semid.files import write_text
from semid.items import item_ids
from semid.quantizers import Tokenizer
from semid.semantic_ids.alignment import check_levels
from semid.semantic_ids.codes import items_sharing_codes, open_codes
from semid.semantic_ids.codes_of_items import codes_of_items
from semid.semantic_ids.decoding_errors import squared_errors

logger = logging.getLogger(__name__)

# an old item lies beyond this quantile of the errors of old items by definition in one of a hundred cases
QUANTILE = 0.99
BY_CHANCE = 0.99
# times the error that is expected; share of new items beyond the quantile; bits; times the share that is expected
LIMITS = {"error": 1.2, "beyond_p99": 0.05, "divergence": 0.1, "sharing_id": 1.5}
# a share of items with an ID that others have is no reason unless it is so much above what is expected
SHARING_AT_LEAST = 0.1
DRAWS = 400


class DriftFiles(Protocol):
    """What is compared: the parts of the codes, in order, the model, the manifest of the embeddings, the items, and the
    `old` table.
    """

    codes: Sequence[str]
    model: str
    manifest: str
    catalogue: str
    old: str


@dataclass(frozen=True)
class Figure:
    """A row of drift.csv: a figure of old and of new items; what chance gives, from which limit it matters, and whether
    it is beyond both. None where a figure has no such thing. The last row has the verdict in words.
    """

    figure: str
    level: int | None = None
    old: float | None = None
    new: float | None = None
    chance: float | None = None
    limit: float | None = None
    beyond: bool | None = None
    verdict: str | None = None

    @classmethod
    def judged(
        cls, figure: str, old: float | None, new: float, chance: float, limit: float, level: int | None = None
    ) -> Self:
        """A figure that is held against what chance gives and against its limit."""
        return cls(figure, level, old, new, chance, limit, bool(new > chance and new > limit))


def write_drift(files: DriftFiles, output: str | Path, threads: int = 1) -> None:
    """Compare new items with old ones by the tokenizer that encoded both, write `drift.csv`, and log the verdict.

    Memory holds the codes and ids of the catalogue, and an error an item. Raises `InputError` for an old table that the
    tokenizer cannot have made.
    """
    torch.set_num_threads(threads)
    tokenizer = Tokenizer.from_pretrained(Path(files.model).parent)
    codes = open_codes(files.codes)[:]
    num_levels = tokenizer.num_levels
    old = codes_of_items(files.old, item_ids(files.catalogue))
    # a suffix is no code of the tokenizer, and neither are other codes that a repair gave: the codes of items that are
    # still there are those that it writes today
    known_codes, gone = old.codes[:, :num_levels], old.others[:, :num_levels]
    check_levels(files.old, np.concatenate([known_codes, gone]), tokenizer.sizes)
    is_new = np.ones(len(codes), bool)
    is_new[old.rows] = False
    errors = squared_errors(EmbeddingStore.open(files.manifest), tokenizer.decode, codes)
    figures = [
        Figure("items", old=len(old.codes) + len(gone), new=int(is_new.sum())),
        Figure("gone", old=len(gone)),
        Figure("other_code", old=int((codes[old.rows] != known_codes).any(axis=1).sum())),
    ]
    if is_new.any():
        old_codes = np.concatenate([codes[~is_new].astype(np.int64), gone])
        unseen = error_of_unseen(vars(tokenizer)["cluster_sizes_"].cpu().numpy())
        figures += error_figures(errors[~is_new], errors[is_new], unseen)
        figures += list(divergence_figures(old_codes, codes[is_new], tokenizer.sizes))
        figures.append(sharing_figure(codes, is_new, old_codes, unseen))
    verdict = verdict_on(figures)
    write_text(output, as_csv([*figures, Figure("verdict", verdict=verdict)]))
    logger.info("%s", verdict)


def error_of_unseen(cluster_sizes: np.ndarray) -> float:
    """Return how many times the error of its training items a tokenizer has on others that are drawn alike, about.

    The mean of m rows is 1 − 1/m times as far from each of these, and 1 + 1/m times as far from another, as the true
    mean is, in squares. So a level with K codes for n rows has the factor (n + K) / (n − K); `cluster_sizes` [L, K]
    count the rows of each code.
    """
    used, rows = (cluster_sizes > 0).sum(axis=1), cluster_sizes.sum(axis=1)
    return float(np.prod((rows + used) / np.maximum(rows - used, 1)))


def error_figures(old: np.ndarray, new: np.ndarray, unseen: float = 1.0) -> list[Figure]:
    """Compare errors [n] of old and [m] of new items: their means, and the share beyond the quantile of the old ones.

    `unseen` is that of :func:`error_of_unseen`. Without old items nothing is compared.
    """
    mean = float(new.mean())
    if not len(old):
        return [Figure("error", new=mean)]
    limit = LIMITS["error"] * unseen * float(old.mean())
    spread = LIMITS["error"] * unseen * float(old.std()) / len(new) ** 0.5
    quantile = np.quantile(old, QUANTILE)
    beyond, of_old = float((new > unseen * quantile).mean()), float((old > quantile).mean())
    return [
        Figure.judged("error", float(old.mean()), mean, limit + float(stats.norm.ppf(BY_CHANCE)) * spread, limit),
        Figure.judged(
            "beyond_p99", of_old, beyond, _chance_of_share(LIMITS["beyond_p99"], len(new)), LIMITS["beyond_p99"]
        ),
    ]


def _chance_of_share(share: float, n: int) -> float:
    """Return the share that one of a hundred draws of n items exceeds, where each counts with the chance `share`."""
    return float(stats.binom.ppf(BY_CHANCE, n, share)) / n


def divergence_figures(old: np.ndarray, new: np.ndarray, sizes: Sequence[int]) -> Iterator[Figure]:
    """Compare how old codes [n, L] and new ones [m, L] are used, level by level: the Jensen-Shannon divergence in bits.

    Chance is that of as many items drawn from old and new ones together, by a fixed seed: what any of the levels
    exceeds in one of a hundred cases.
    """
    generator = np.random.default_rng(0)
    for level, size in enumerate(sizes):
        of_old, of_new = (np.bincount(codes[:, level], minlength=size) for codes in (old, new))
        both = of_old + of_new
        # one by one, since all draws of a large codebook take too much memory
        draws = (generator.multivariate_hypergeometric(both, len(new), method="marginals") for _ in range(DRAWS))
        by_chance = [jensen_shannon(both - draw, draw) for draw in draws]
        divergence = jensen_shannon(of_old, of_new)
        chance = float(np.quantile(by_chance, 1 - (1 - BY_CHANCE) / len(sizes)))
        yield Figure.judged("divergence", None, divergence, chance, LIMITS["divergence"], level + 1)


def jensen_shannon(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Jensen-Shannon divergence of two counts [K] of the same codes in bits, 0 for equal shares."""
    shares = [counts / counts.sum() for counts in (first, second)]
    middle = (shares[0] + shares[1]) / 2
    parts = [share[share > 0] * np.log2(share[share > 0] / middle[share > 0]) for share in shares]
    return float(sum(part.sum() for part in parts) / 2)


def sharing_figure(codes: np.ndarray, is_new: np.ndarray, old_codes: np.ndarray, unseen: float = 1.0) -> Figure:
    """Compare the share of old items that shared their ID with the share of new items that share theirs with any.

    Codes that keep items of the training apart do so less with others, as `unseen` of :func:`error_of_unseen` says, and
    a catalogue with more items has more that share theirs.
    """
    of_old = float(items_sharing_codes(old_codes).mean())
    of_new = float(items_sharing_codes(codes)[is_new].mean())
    expected = min(1.0, unseen * of_old * max(1.0, len(codes) / len(old_codes)))
    limit = min(1.0, max(LIMITS["sharing_id"] * expected, expected + SHARING_AT_LEAST))
    return Figure.judged("sharing_id", of_old, of_new, _chance_of_share(limit, int(is_new.sum())), limit)


def verdict_on(figures: Sequence[Figure]) -> str:
    """Say in words what to do, and by which figures."""
    values = {figure.figure: figure for figure in figures}
    if not values["items"].new:
        return "keep the tokenizer: no item is new"
    words = {
        "error": "decoding loses more of new items ({new:.4g} a vector, {old:.4g} of old ones)",
        "beyond_p99": "{new:.1%} of the new items lie beyond 99 % of the old ones",
        "divergence": "codes of level {level} are used otherwise ({new:.2f} bits apart)",
        "sharing_id": "{new:.1%} of the new items share their ID, {old:.1%} of the old ones did",
    }
    reasons = [words[figure.figure].format(**vars(figure)) for figure in figures if figure.beyond]
    if reasons:
        return f"train another tokenizer: {'; '.join(reasons)}"
    return "keep the tokenizer: new items suit it as old ones do"


def as_csv(figures: Sequence[Figure]) -> str:
    """The text of drift.csv: a row a figure, the verdict last."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([field.name for field in fields(Figure)])
    for figure in figures:
        values = [f"{value:.6g}" if isinstance(value, float) else value for value in astuple(figure)]
        writer.writerow(["" if value is None else value for value in values])
    return out.getvalue()
