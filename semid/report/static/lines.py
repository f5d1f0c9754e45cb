"""A panel of lines: points with intervals, bands of seeds, and horizontal rules to compare with."""

from collections.abc import Iterator, Sequence
from typing import Any

from semid.report.figures import Axis, Lines, Point, Rule, Series
from semid.report.numbers import bounds, tick_text, ticks, written
from semid.report.palette import BASE, GRID, INK, NEUTRAL, QUIET, dash, hue, marker

# A rule that is further from the lines than so much of their range is named at the edge: it would press them flat.
NEAR = 0.4
# A line of more points has no markers.
DENSE = 24
RING, CROSS, LINE = 8.5, 6.5, 1.5


def places_of_references(series: Sequence[Series]) -> dict[str, int]:
    """Return the place among the references of each one, which gives it its dash."""
    return {name: place for place, name in enumerate(dict.fromkeys(one.name for one in series if one.colour is None))}


def draw_lines(axes: Any, variant: Lines, shift: Any) -> None:
    """Draw a panel; `shift(points)` is the transform of data that moves what is drawn to the right, in points."""
    points = [point for series in variant.series for point in series.points]
    own = [value for point in points for value in (point.y, point.low, point.high, point.seed_low, point.seed_high)]
    low, high = bounds(own, variant.y.scale)
    margin = NEAR * (high - low)
    near = [rule.y for rule in variant.rules if low - margin < rule.y < high + margin]
    set_axis(axes.xaxis, variant.x, bounds([point.x for point in points], variant.x.scale), 5)
    set_axis(axes.yaxis, variant.y, bounds([*own, *near], variant.y.scale), 5)
    axes.grid(True, color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    _draw_rules(axes, variant.rules, variant.y)
    joined = [one for one in variant.series if one.line and any(point.low is not None for point in one.points)]
    places = places_of_references(variant.series)
    for series in variant.series:
        # intervals at the same x stand side by side
        side = joined.index(series) - (len(joined) - 1) / 2 if series in joined else 0
        _draw_series(axes, series, places.get(series.name, 0), shift(side * min(2.4, 18 / max(1, len(joined)))))


def set_axis(axis: Any, described: Axis, ends: tuple[float, float], count: int) -> None:
    """Give an axis of Matplotlib its scale, its ends, its ticks with their texts, and its label."""
    name = axis.axis_name
    axis.axes.set(**{f"{name}scale": described.scale, f"{name}lim": ends})
    marks = ticks(*ends, count, described.scale, described.format)
    step = marks[1] - marks[0] if len(marks) > 1 else 1
    axis.set_ticks(marks, [tick_text(mark, described.format, step) for mark in marks])
    axis.set_ticks([], minor=True)
    axis.set_label_text(described.label)


def _draw_rules(axes: Any, rules: Sequence[Rule], y: Axis) -> None:
    """Draw the rules that are inside, and name all of them at the left, those outside with an arrow at the edge."""
    low, high = axes.get_ylim()
    heights: list[float] = []
    for rule in sorted(rules, key=lambda rule: -rule.y):
        is_inside = low <= rule.y <= high
        if is_inside:
            axes.axhline(rule.y, color=NEUTRAL, linewidth=1, linestyle=(0, (3.5, 2.5)), zorder=1.5)
        height = axes.transAxes.inverted().transform(axes.transData.transform((axes.get_xlim()[0], rule.y)))[1]
        height = min(max(height + 0.015, 0.015), 0.965)
        # names keep a distance from each other, and stay inside
        turn = 0.068 if height < 0.5 else -0.068
        for other in sorted(heights, key=lambda other: other / turn):
            if abs(other - height) < abs(turn):
                height = other + turn
        heights.append(height)
        arrow = "" if is_inside else "↓ " if rule.y < low else "↑ "
        text = f"{arrow}{rule.name} {written(rule.y, y.format)}"
        box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6}
        axes.text(
            0.015, height, text, transform=axes.transAxes, color=QUIET, va="bottom", fontsize=7, bbox=box, zorder=4
        )


def _draw_series(axes: Any, series: Series, place: int, moved: Any) -> None:
    colour, points = hue(series.colour), series.points
    x = [point.x for point in points]
    banded = [point for point in points if point.seed_low is not None]
    if series.line and len(banded) > 1:
        low, high = ([getattr(point, end) for point in banded] for end in ("seed_low", "seed_high"))
        axes.fill_between([point.x for point in banded], low, high, color=colour, alpha=0.16, linewidth=0, zorder=1.6)
    for point in points:
        if series.line and point.low is not None:
            axes.plot([point.x] * 2, [point.low, point.high], color=colour, alpha=0.55, linewidth=1.2, transform=moved)
    if series.line and len(points) > 1:
        style = stroke(dash(series.colour, place))
        axes.plot(x, [point.y for point in points], color=colour, linewidth=LINE, linestyle=style, transform=moved)
    _draw_marks(axes, series, moved)


def stroke(dash: tuple[float, ...] | None) -> Any:
    """Return what Matplotlib calls a dash, whose lengths it counts in widths of the line."""
    return "-" if dash is None else (0, tuple(length / LINE for length in dash))


def _draw_marks(axes: Any, series: Series, moved: Any) -> None:
    colour, is_dense = hue(series.colour), len(series.points) > DENSE
    shown = [point for point in series.points if not is_dense or point.mark == "kept"]
    face = colour if series.line else "white"
    common = {"linestyle": "none", "transform": moved, "zorder": 3}
    for points, style in (
        (_marked(series.points, "kept", "front"), {"marker": "o", "markersize": RING, "markerfacecolor": "none"}),
        (_marked(series.points, "back"), {"marker": "x", "markersize": CROSS}),
        (shown, {"marker": marker(series.colour), "markersize": 4.4, "markerfacecolor": face}),
    ):
        edge = INK if style["marker"] == "x" else colour
        of_kind = list(points)
        axes.plot(
            [point.x for point in of_kind], [point.y for point in of_kind], markeredgecolor=edge, **style, **common
        )


def _marked(points: Sequence[Point], *marks: str) -> Iterator[Point]:
    return (point for point in points if point.mark in marks)


def frame(axes: Any) -> None:
    """Leave of the frame of a panel the line below."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(BASE)
    axes.tick_params(length=0, colors=QUIET)
