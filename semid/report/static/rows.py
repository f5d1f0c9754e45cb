"""Panels of rows: values with intervals, forests of differences, and stacked bars."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from semid.report.figures import Axis, Bar, Bars, Interval, Intervals
from semid.report.numbers import bounds, written
from semid.report.palette import ACCENT, GRID, INK, NEUTRAL, QUIET, hue, marker
from semid.report.static.lines import set_axis

# The most characters of a name at a row.
LONGEST = 56


@dataclass(frozen=True)
class Heading:
    """The name of a group of rows, which stands before them."""

    name: str


def shortened(text: str) -> str:
    """Return a name that fits at a row."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def against_focus(variant: Intervals) -> Intervals:
    """Return a forest of pairs as the page shows it first: what each finds more than the focus, the most first.

    Two names alone stay the pair that they are, and so do rows that are no pairs.
    """
    names = dict.fromkeys(name for row in variant.rows for name in (row.a, row.b) if name is not None)
    if len(names) < 3 or variant.focus not in names:
        return variant
    rows = [row if row.b == variant.focus else _turned(row) for row in variant.rows if variant.focus in (row.a, row.b)]
    named = [replace(row, name=row.a or "") for row in rows]
    x = replace(variant.x, label=f"{variant.x.label} to {variant.focus}")
    return replace(variant, x=x, rows=sorted(named, key=lambda row: -row.value))


def _turned(row: Interval) -> Interval:
    # what is 0 stays 0, without a sign
    low, high = (None if end is None else 0 - end for end in (row.high, row.low))
    return replace(row, a=row.b, b=row.a, value=0 - row.value, low=low, high=high)


def groups_of(rows: Sequence[Any]) -> dict[str, list[Any]]:
    """Return rows by their group, in the order in which they come."""
    groups: dict[str, list[Any]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    return groups


def by_group(variant: Intervals) -> Iterator[Intervals]:
    """Yield a panel for each group, which has all names of all groups at the same heights."""
    names = list(dict.fromkeys(row.name for row in variant.rows))
    for group, rows in groups_of(variant.rows).items():
        ordered = sorted(rows, key=lambda row: names.index(row.name))
        yield replace(variant, label=group, rows=[replace(row, group="") for row in ordered])


def lines_of(rows: Sequence[Any]) -> list[Any]:
    """Return rows with the heading of each group before its rows, where there are several groups."""
    groups = groups_of(rows)
    if len(groups) < 2:
        return list(rows)
    return [line for group, members in groups.items() for line in (Heading(group), *members)]


def draw_intervals(
    axes: Any, variant: Intervals, names: Sequence[str] = (), ends: tuple[float, float] | None = None
) -> None:
    """Draw a panel; names: those of all rows, where panels share them, at the same heights; ends: of its axis."""
    lines = lines_of(variant.rows)
    _prepare(axes, variant.x, ends or interval_ends([variant]), len(names or lines))
    if variant.zero:
        axes.axvline(0, color=NEUTRAL, linewidth=1, zorder=1.5)
    for place, row in enumerate(lines):
        if isinstance(row, Interval):
            _draw_interval(axes, row, names.index(row.name) if names else place, variant.x)
    _name_rows(axes, [Interval(name, 0) for name in names] or lines)


def _draw_interval(axes: Any, row: Interval, height: int, x: Axis) -> None:
    colour = ACCENT if row.a is not None or row.sure is not None else hue(row.colour)
    if row.low is not None:
        axes.plot([row.low, row.high], [height] * 2, color=colour, alpha=0.5, linewidth=2.2, solid_capstyle="butt")
    face = "white" if row.sure is False else colour
    axes.plot(
        row.value, height, marker(row.colour), color=colour, markerfacecolor=face, markersize=5, zorder=3, clip_on=False
    )
    _write_value(axes, height, written(row.value, x.format))


def interval_ends(variants: Sequence[Intervals]) -> tuple[float, float]:
    """Return the ends of the axis of intervals: from 0, or with 0 inside where it is drawn."""
    rows = [row for variant in variants for row in variant.rows]
    values = [value for row in rows for value in (row.value, row.low, row.high)]
    has_zero = any(variant.zero for variant in variants)
    return bounds([*values, *([0.0] if has_zero else [])], "linear", not has_zero)


def draw_bars(axes: Any, variant: Bars) -> None:
    """Draw a panel of stacked bars with their sums and their notes behind them."""
    lines = lines_of(variant.rows)
    totals = [sum(row.values) for row in variant.rows]
    _prepare(axes, variant.x, (0, bounds([0, *totals], "linear", True)[1]), len(lines))
    for height, row in enumerate(lines):
        if isinstance(row, Bar):
            start = 0.0
            for part, value in enumerate(row.values):
                colour = ACCENT if len(variant.parts) < 2 else hue(part)
                axes.barh(height, value, 0.62, left=start, color=colour, zorder=2)
                start += value
            note = f" · {row.note}" if row.note else ""
            _write_value(axes, height, f"{written(start, variant.x.format)}{note}")
    _name_rows(axes, lines)


def _prepare(axes: Any, x: Axis, ends: tuple[float, float], rows: int) -> None:
    set_axis(axes.xaxis, x, ends, 4)
    axes.grid(True, axis="x", color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_ylim(rows - 0.4, -0.6)


def _name_rows(axes: Any, lines: Sequence[Any]) -> None:
    """Write the names of rows beside the panel, and headings of groups into it."""
    rows = {height: line.name for height, line in enumerate(lines) if not isinstance(line, Heading)}
    axes.set_yticks(list(rows), [shortened(name) for name in rows.values()])
    for label in axes.get_yticklabels():
        label.set_color(INK)
    for height, line in enumerate(lines):
        if isinstance(line, Heading):
            style = {"fontweight": "bold", "va": "center", "fontsize": 7.5, "zorder": 4}
            axes.text(0, height + 0.08, line.name, transform=axes.get_yaxis_transform(), **style)


def _write_value(axes: Any, height: int, text: str) -> None:
    at = axes.get_yaxis_transform()
    axes.text(1.02, height, text, transform=at, va="center", color=QUIET, fontsize=7)
