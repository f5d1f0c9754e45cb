"""What a figure is: plain values that the page draws, so that what it shows can be held against the tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal

from semid.report.results import Row, mean

Scale = Literal["linear", "log"]
# How the page writes the values of an axis.
Format = Literal["count", "share", "number", "seconds", "percent", "signed"]


@dataclass(frozen=True)
class Axis:
    """An axis: what it shows with its unit, its scale, and how its values are written."""

    label: str
    format: Format = "number"
    scale: Scale = "linear"


@dataclass(frozen=True)
class Point:
    """A point of a line; low, high: its interval; seed_low, seed_high: the least and the most of several seeds.

    note: what a reader is told of it; mark: `kept`, `back` (a roll-back) or `front` (nothing else is better).
    """

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    seed_low: float | None = None
    seed_high: float | None = None
    note: str | None = None
    mark: str | None = None


@dataclass(frozen=True)
class Series:
    """Points of one subject; colour: its place in the palette, None for a reference; line: whether they are joined."""

    name: str
    points: Sequence[Point]
    colour: int | None = None
    line: bool = True


@dataclass(frozen=True)
class Rule:
    """A value that does not depend on x, as a horizontal line with a name and, where there is one, an interval."""

    name: str
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Lines:
    """A figure of lines; label: what tells it from the other variants of the figure."""

    label: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    rules: Sequence[Rule] = ()
    kind: str = field(default="lines", init=False)


@dataclass(frozen=True)
class Interval:
    """A row of a figure of intervals. a, b: whose difference it is, if it is one; sure: whether it excludes chance."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    group: str = ""
    colour: int | None = None
    note: str | None = None
    a: str | None = None
    b: str | None = None
    sure: bool | None = None


@dataclass(frozen=True)
class Intervals:
    """Values with intervals, one below the other.

    zero: whether 0 is drawn, as the line of no difference; focus: of pairs, what all others are compared with at first.
    """

    label: str
    x: Axis
    rows: Sequence[Interval]
    zero: bool = False
    focus: str | None = None
    kind: str = field(default="intervals", init=False)


@dataclass(frozen=True)
class Bar:
    """A bar of several parts, one after the other; note: what is written behind it."""

    name: str
    values: Sequence[float]
    note: str = ""
    group: str = ""


@dataclass(frozen=True)
class Bars:
    """Stacked bars; parts: what each value of a bar is of."""

    label: str
    x: Axis
    parts: Sequence[str]
    rows: Sequence[Bar]
    kind: str = field(default="bars", init=False)


@dataclass(frozen=True)
class Places:
    """Items in two dimensions.

    x, y: [m] where each lies; colours: [m] its place in the palette, None for none; names: what the first places of the
    palette stand for, if they do; rows: [m] its row in the item table; column, values: what colours it, of all and of
    each.
    """

    label: str
    x: Sequence[int]
    y: Sequence[int]
    colours: Sequence[int | None]
    names: Sequence[str]
    rows: Sequence[int]
    column: str
    values: Sequence[str]
    kind: str = field(default="places", init=False)


Variant = Lines | Intervals | Bars | Places


@dataclass(frozen=True)
class Figure:
    """A figure of the page.

    name: its id, unique on the page; caption: how to read it; source: the table that it is drawn from; variants: of
    which the reader sees one at a time.
    """

    name: str
    title: str
    caption: str
    source: str
    variants: Sequence[Variant]


def plain_values(value: Any) -> Any:
    """Return dataclasses as maps without the fields that are None, for JSON."""
    if is_dataclass(value) and not isinstance(value, type):
        named = ((one.name, getattr(value, one.name)) for one in fields(value))
        return {name: plain_values(content) for name, content in named if content is not None}
    if isinstance(value, Mapping):
        return {name: plain_values(content) for name, content in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(content) for content in value]
    return value


def with_texts(change: Callable[[str], str], value: Any) -> Any:
    """Return dataclasses, lists and maps with every text in them changed, those that are keys of maps too."""
    if isinstance(value, str):
        return change(value)
    if is_dataclass(value) and not isinstance(value, type):
        changed = {one.name: with_texts(change, getattr(value, one.name)) for one in fields(value) if one.init}
        return replace(value, **changed)
    if isinstance(value, Mapping):
        return {change(name): with_texts(change, content) for name, content in value.items()}
    if isinstance(value, list | tuple):
        return [with_texts(change, content) for content in value]
    return value


def point_of_seeds(x: float, rows: Sequence[Row], metric: str, **more: Any) -> Point:
    """Return the point of the rows of all seeds of a subject: the means of a metric and of the ends of its interval."""
    values = [float(row[metric]) for row in rows]
    low, high = interval_of(rows, metric)
    if len(values) == 1:
        return Point(x, values[0], low, high, **more)
    return Point(x, mean(values), low, high, min(values), max(values), **more)


def interval_of(rows: Sequence[Row], metric: str) -> tuple[float | None, float | None]:
    """Return the means of both ends of the intervals of rows; None where one of them has no interval."""
    low, high = ([row.get(f"{metric}_{end}", "") for row in rows] for end in ("low", "high"))
    if not all(low) or not all(high):
        return None, None
    return mean([float(text) for text in low]), mean([float(text) for text in high])
