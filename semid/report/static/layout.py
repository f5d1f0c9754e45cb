"""Which panels a figure has, in which rows they stand, and how high these are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from semid.report.figures import Bars, Figure, Intervals, Lines, Variant
from semid.report.registry import StaticFigure
from semid.report.static.rows import against_focus, by_group, interval_ends, lines_of

# Inches: a line of text, a row of a panel of rows, and what stands above and below its rows.
TEXT, ROW, AROUND = 0.3, 0.205, 0.8
LINES, NARROW_LINES, MAP = 2.75, 2.3, 3.6


@dataclass(frozen=True)
class Cell:
    """A panel with its title, or a text alone; names, ends: the rows and the ends of the axis that panels share."""

    title: str
    variant: Variant | None = None
    is_heading: bool = False
    names: Sequence[str] = ()
    ends: tuple[float, float] | None = None

    def height(self, columns: int) -> float:
        """Return the height in inches, where so many panels stand beside each other."""
        if self.variant is None:
            return TEXT
        if isinstance(self.variant, Lines):
            return LINES if columns < 4 else NARROW_LINES
        if isinstance(self.variant, Intervals | Bars):
            return AROUND + ROW * len(self.names or lines_of(self.variant.rows))
        return MAP


def rows_of_cells(described: StaticFigure, figures: Mapping[str, Figure | None]) -> list[list[Cell]]:
    """Return the panels of the figures of datasets, row by row.

    Datasets stand beside each other if each has one panel, else one below the other, each with a heading.
    """
    if described.panels == 1:
        cells = [_only_cell(dataset, figure, described.empty) for dataset, figure in figures.items()]
        panels = [cell for cell in cells if cell.variant is not None]
        return [*_folded(panels, described.columns), *([cell] for cell in cells if cell.variant is None)]
    return [row for dataset, figure in figures.items() for row in _rows_of_dataset(described, dataset, figure)]


def _only_cell(dataset: str, figure: Figure | None, empty: str) -> Cell:
    if figure is None:
        return Cell(f"{dataset}: {empty}")
    variant = figure.variants[0]
    if isinstance(variant, Intervals):
        variant = against_focus(variant)
    return Cell(f"{dataset}: {variant.label}", variant)


def _rows_of_dataset(described: StaticFigure, dataset: str, figure: Figure | None) -> Iterator[list[Cell]]:
    if figure is None:
        yield [Cell(f"{dataset}: {described.empty}")]
        return
    variants = figure.variants[: described.panels]
    if not described.by_group:
        yield [Cell(dataset, is_heading=True)]
        yield from _folded([Cell(variant.label, variant) for variant in variants], described.columns)
        return
    for variant in variants:
        if isinstance(variant, Intervals):
            yield [Cell(f"{dataset}: {variant.label}", is_heading=True)]
            names, ends = list(dict.fromkeys(row.name for row in variant.rows)), interval_ends([variant])
            cells = [Cell(group.label, group, names=names, ends=ends) for group in by_group(variant)]
            yield from _folded(cells, described.columns)


def _folded(cells: Sequence[Cell], columns: int) -> Iterator[list[Cell]]:
    for start in range(0, len(cells), columns):
        yield list(cells[start : start + columns])
