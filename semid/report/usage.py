"""How the codes of each level are used: the sizes of codes in falling order, and what the scorecards say of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from semid.report.figures import Axis, Figure, Lines, Point, Series
from semid.report.results import DatasetResults

# The most points of a curve; ranks between them are left out, closer at the large sizes.
POINTS = 64


@dataclass(frozen=True)
class LevelRow:
    """A row of the table of levels: codes with and without items, perplexity, and the share of the largest code."""

    tokenizer: str
    level: int
    used: int
    dead: int
    perplexity: float
    largest_share: float


def sorted_sizes(codes: np.ndarray) -> list[np.ndarray]:
    """Return, level by level, the numbers of items of the codes of `codes [n, L]` that occur, in falling order."""
    levels = []
    for level in codes.T:
        counts = np.bincount(level)
        levels.append(np.sort(counts[counts > 0])[::-1])
    return levels


def curve(sizes: np.ndarray) -> list[Point]:
    """Return rank and size of codes, integers [codes] in falling order: at most POINTS of them, the ends among them."""
    ranks = np.arange(1, len(sizes) + 1)
    if len(sizes) > POINTS:
        ranks = np.unique(np.geomspace(1, len(sizes), POINTS).round().astype(np.int64))
    return [Point(int(rank), int(sizes[rank - 1])) for rank in ranks]


def usage_figure(sizes: Mapping[str, Sequence[np.ndarray]], colours: Mapping[str, int]) -> Figure | None:
    """Return the figure of the sizes of codes by their rank, with a variant for each level.

    sizes: those of :func:`sorted_sizes` by tokenizer, named without its seed. None where there are none.
    """
    if not sizes:
        return None
    variants = []
    for level in range(max(map(len, sizes.values()))):
        series = [
            Series(name, curve(levels[level]), colours[name]) for name, levels in sizes.items() if level < len(levels)
        ]
        x, y = Axis("rank of the code by its size", "count", "log"), Axis("items with the code", "count", "log")
        variants.append(Lines(f"level {level + 1}", x, y, series))
    return Figure(
        "usage",
        "How codes are used",
        "The codes of a level by the number of their items: a flat line uses all codes alike, a steep one puts most "
        "items under few codes. Where the line ends, no further code is used. Of several seeds the first is shown.",
        "<tokenizer>/items.parquet",
        variants,
    )


def level_rows(
    dataset: DatasetResults, sizes: Mapping[str, Sequence[np.ndarray]], codebooks: Mapping[str, Sequence[int]]
) -> list[LevelRow]:
    """Return the rows of the table of levels of the tokenizers in `sizes`, with their perplexity in `tokenizers.csv`.

    codebooks: how many codes each level may have; where it is not known, all have as many as the name says.
    """
    rows = []
    for name, levels in sizes.items():
        card = next(row for row in dataset.tables["tokenizers"] if row["tokenizer"] == dataset.seeds[name][0])
        known = codebooks.get(name, [int(card["codebook_size"])] * len(levels))
        for level, (counts, size, perplexity) in enumerate(
            zip(levels, known, card["perplexity"].split("/"), strict=True)
        ):
            share = float(counts[0] / counts.sum())
            rows.append(LevelRow(name, level + 1, len(counts), size - len(counts), float(perplexity), share))
    return rows
