"""Figures by Matplotlib: a heading, panels in a grid, a legend; the same bytes for the same values."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure as Drawn
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.transforms import ScaledTranslation

from semid.files import whole_file
from semid.report.figures import Bars, Figure, Intervals, Lines, Places, Series, with_texts
from semid.report.palette import INK, QUIET, dash, hue, marker
from semid.report.registry import FIGURES
from semid.report.static.layout import Cell, rows_of_cells
from semid.report.static.lines import LINE, draw_lines, frame, places_of_references, stroke
from semid.report.static.places import draw_places
from semid.report.static.rows import draw_bars, draw_intervals
from semid.terminal import printable

# Text stays text, dollars are no formulas, and nothing depends on the clock.
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "semid",
    "pdf.fonttype": 42,
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelcolor": QUIET,
    "text.color": INK,
    "savefig.dpi": 200,
}
NO_DATE: Mapping[str, Mapping[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
# Inches: the width of a panel by how many stand beside each other, the margin, and what words take.
WIDTHS = {1: 6.8, 2: 4.6, 3: 3.6, 4: 3.0}
MARGIN, TITLE, LINE_OF_NOTE, ROW_OF_LEGEND = 0.1, 0.36, 0.155, 0.2
# Characters of a title of a panel in an inch of its width.
LETTERS_OF_TITLE = 10
# Inches that a character of a note takes on average, one of a legend, and the line before it.
NOTE_LETTER, LEGEND_LETTER, LEGEND_LINE = 0.062, 0.068, 0.55


def draw(name: str, figures: Mapping[str, Figure | None]) -> Drawn:
    """Draw the figure of this name of :data:`FIGURES` from what the page shows of datasets, by their names.

    A dataset without the figure says why in its place.
    """
    described, rows = FIGURES[name], rows_of_cells(FIGURES[name], with_texts(_legible, figures))
    columns = max(map(len, rows))
    width = WIDTHS[columns] * columns
    note = textwrap.wrap(described.note, int((width - 2 * MARGIN) / NOTE_LETTER))
    heights = [max(cell.height(columns) for cell in row) for row in rows]
    with matplotlib.rc_context(STYLE):
        entries = list(_legend([cell for row in rows for cell in row]))
        longest = max((len(entry.get_label()) for entry in entries), default=0)
        beside = max(1, int((width - 2 * MARGIN) / (LEGEND_LINE + LEGEND_LETTER * longest)))
        above = TITLE + LINE_OF_NOTE * len(note) + MARGIN
        below = ROW_OF_LEGEND * -(-len(entries) // beside) + MARGIN
        height = sum(heights) + above + below
        drawn = Drawn(figsize=(width, height))
        left = MARGIN / width
        rect = (left, below / height, 1 - 2 * left, 1 - (above + below) / height)
        layout = ConstrainedLayoutEngine(rect=rect, wspace=0.05)
        drawn.set_layout_engine(layout)
        drawn.text(left, 1 - MARGIN / height, described.title, va="top", fontsize=12, fontweight="bold")
        drawn.text(left, 1 - TITLE / height, "\n".join(note), va="top", color=QUIET, linespacing=1.3)
        grid = drawn.add_gridspec(len(rows), columns, height_ratios=heights)
        for row, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                axes = drawn.add_subplot(grid[row, :] if cell.variant is None else grid[row, column])
                _draw_cell(drawn, axes, cell, int(WIDTHS[columns] * LETTERS_OF_TITLE), is_first=column == 0)
        if entries:
            drawn.legend(handles=entries, loc="lower left", ncols=beside, frameon=False, handlelength=2.8)
        # once for all files; the last digits of what the solver of the layout finds differ between processes
        layout.execute(drawn)
        drawn.set_layout_engine("none")
        for axes in drawn.axes:
            left, bottom, wide, high = (round(value, 4) for value in axes.get_position(original=True).bounds)
            axes.set_position((left, bottom, wide, high))
        return drawn


def _legible(text: str) -> str:
    """Return a text in one line and without what no font has a sign for: names and categories are the user's."""
    return printable(" ".join(text.split()))


def save(drawn: Drawn, path: str | Path) -> None:
    """Write a figure as `.svg` or `.pdf`, whole or not at all, with the same bytes for the same figure."""
    kind = Path(path).suffix.removeprefix(".")
    with matplotlib.rc_context(STYLE), whole_file(path) as temporary:
        drawn.savefig(temporary, format=kind, metadata=dict(NO_DATE[kind]))


def _draw_cell(drawn: Drawn, axes: Any, cell: Cell, letters: int, is_first: bool) -> None:
    if cell.variant is None:
        axes.set_axis_off()
        weight = {"fontsize": 10, "fontweight": "bold"} if cell.is_heading else {"color": QUIET}
        axes.text(0, 0.3, cell.title, transform=axes.transAxes, **weight)
        return
    title = cell.title if len(cell.title) <= letters else cell.title.replace(" · ", "\n")
    axes.set_title("\n".join(textwrap.fill(line, letters) for line in title.split("\n")))
    frame(axes)
    if isinstance(cell.variant, Lines):

        def shift(points: float) -> Any:
            return axes.transData + ScaledTranslation(points / 72, 0, drawn.dpi_scale_trans)

        draw_lines(axes, cell.variant, shift)
    elif isinstance(cell.variant, Intervals):
        draw_intervals(axes, cell.variant, cell.names, cell.ends)
        if cell.names and not is_first:
            axes.tick_params(labelleft=False)
    elif isinstance(cell.variant, Bars):
        draw_bars(axes, cell.variant)
    elif isinstance(cell.variant, Places):
        draw_places(axes, cell.variant)


def _legend(cells: Sequence[Cell]) -> Iterator[Any]:
    """Yield what each colour stands for: subjects of lines, and parts of bars."""
    series: list[Series] = []
    parts: dict[str, int] = {}
    for cell in cells:
        if isinstance(cell.variant, Lines):
            series += cell.variant.series
        elif isinstance(cell.variant, Bars) and len(cell.variant.parts) > 1:
            parts |= {name: part for part, name in enumerate(cell.variant.parts)}
    yield from (Patch(color=hue(part), label=name) for name, part in parts.items())
    references = places_of_references(series)
    for one in {one.name: one for one in sorted(series, key=lambda one: one.line)}.values():
        style = stroke(dash(one.colour, references.get(one.name, 0))) if one.line else "none"
        dot = marker(one.colour) if one.colour is not None else "none"
        yield Line2D(
            [], [], color=hue(one.colour), linestyle=style, linewidth=LINE, marker=dot, markersize=4.4, label=one.name
        )
