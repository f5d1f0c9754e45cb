"""Numbers as figures write them, at a value and at the tick of an axis: as scales.js does it on the page."""

import math
from collections.abc import Callable, Mapping, Sequence

from semid.report.figures import Format, Scale

TIMES = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000, 86400)


def duration(seconds: float) -> str:
    """Return seconds in the unit that suits them."""
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    share, unit = (seconds / 60, "min") if seconds < 7200 else (seconds / 3600, "h")
    return f"{share:.1f}".removesuffix(".0") + f" {unit}"


def _count(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0") if value < 100 else f"{value:,.0f}"


def _signed(text: str, value: float) -> str:
    return f"+{text}" if value > 0 else text.replace("-", "−")


_WRITTEN: Mapping[Format, Callable[[float], str]] = {
    "count": _count,
    "share": "{:.4f}".format,
    "number": "{:.4g}".format,
    "percent": lambda value: f"{100 * value:.1f}%",
    "seconds": duration,
    "signed": lambda value: _signed(f"{value:.4f}", value),
}


def written(value: float, format: Format) -> str:
    """Return a value as a figure writes it."""
    return _WRITTEN[format](value)


def tick_text(value: float, format: Format, step: float) -> str:
    """Return the text of a tick: with as many digits as tell ticks apart that are `step` from each other."""
    if format == "seconds":
        return duration(value)
    if format == "count":
        for unit, sign in ((1e6, "M"), (1e3, "k")):
            if value >= unit * (1 if sign == "M" else 10):
                return f"{value / unit:.3g}{sign}"
        return f"{float(f'{value:.3g}'):,.10g}"
    digits = next((few for few in range(6) if abs(step * 10**few - round(step * 10**few)) <= 1e-6), 6)
    text = f"{value:.{digits}f}"
    return _signed(text, value) if format == "signed" else text


def nice_step(span: float, count: float, steps: Sequence[float] = ()) -> float:
    """Return a step that gives about `count` ticks over a span; steps: those of choice, where they suffice."""
    rough = span / max(1.0, count) or 1.0
    known = next((step for step in steps if step >= rough * 0.999), None)
    if known is not None:
        return known
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= rough * 0.999)


def ticks(low: float, high: float, count: float, scale: Scale, format: Format = "number") -> list[float]:
    """Return the ticks of an axis from `low` to `high`: about `count` of them."""
    if scale == "log":
        span = math.log10(high / low)
        steps = (1,) if span > 2.2 or count < 4 else (1, 3) if span > 1.2 else (1, 2, 5)
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        marks = [step * 10.0**power for power in powers for step in steps]
        inside = [mark for mark in marks if low * 0.999 <= mark <= high * 1.001]
        if len(inside) > 2:
            return inside
    step = nice_step(high - low, count, {"seconds": TIMES, "count": (1,)}.get(format, ()))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [place * step for place in range(first, last + 1)]


def bounds(values: Sequence[float | None], scale: Scale, from_zero: bool = False) -> tuple[float, float]:
    """Return the ends of an axis: of logarithms a factor beyond the values, else a margin, from 0 where it says so."""
    known = [value for value in values if value is not None and (scale != "log" or value > 0)]
    if not known:
        return (1, 10) if scale == "log" else (0, 1)
    low, high = min(known), max(known)
    if scale == "log":
        return (low / 2, high * 2) if low == high else (low / 1.12, high * 1.12)
    margin = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return min(0.0, low) if from_zero else low - margin, high + margin
