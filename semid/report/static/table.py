"""The values of a figure as CSV: of every variant that the page has, drawn or not."""

import csv
from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any

from semid.report.figures import Bars, Figure, Intervals, Lines, Places, Variant

FIRST = ("dataset", "panel")
COLUMNS: Mapping[type, tuple[str, ...]] = {
    Lines: (
        *("name", "x_label", "y_label", "x", "y", "low", "high", "seed_low", "seed_high", "mark"),
        *("joined", "note"),
    ),
    Intervals: ("group", "name", "label", "value", "low", "high", "sure", "note"),
    Bars: ("group", "name", "label", "part", "value", "note"),
    Places: ("item_index", "x", "y", "column", "value"),
}


def as_csv(figures: Mapping[str, Figure | None]) -> str:
    """Return the text of the CSV of the figures of datasets, by their names: a row a point, an interval or a part."""
    variants = [
        (dataset, variant) for dataset, figure in figures.items() if figure is not None for variant in figure.variants
    ]
    columns = COLUMNS[type(variants[0][1])] if variants else ()
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*FIRST, *columns])
    for dataset, variant in variants:
        for values in _rows(variant):
            cells = [values.get(column) for column in columns]
            writer.writerow([dataset, variant.label, *("" if cell is None else _text(cell) for cell in cells)])
    return out.getvalue()


def _text(cell: Any) -> Any:
    return int(cell) if isinstance(cell, bool) else cell


def _rows(variant: Variant) -> Iterator[dict[str, Any]]:
    if isinstance(variant, Lines):
        yield from _rows_of_lines(variant)
    elif isinstance(variant, Intervals):
        for interval in variant.rows:
            yield {**vars(interval), "label": variant.x.label}
    elif isinstance(variant, Bars):
        for bar in variant.rows:
            for part, amount in zip(variant.parts, bar.values, strict=True):
                yield {**vars(bar), "label": variant.x.label, "part": part, "value": amount}
    else:
        for row, x, y, value in zip(variant.rows, variant.x, variant.y, variant.values, strict=True):
            yield {"item_index": row, "x": x, "y": y, "column": variant.column, "value": value}


def _rows_of_lines(variant: Lines) -> Iterator[dict[str, Any]]:
    labels = {"x_label": variant.x.label, "y_label": variant.y.label}
    for series in variant.series:
        for point in series.points:
            yield {**vars(point), **labels, "name": series.name, "joined": series.line}
    # a value that does not depend on x has none
    for rule in variant.rules:
        yield {**vars(rule), **labels, "joined": True}
