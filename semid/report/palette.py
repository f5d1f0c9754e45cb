"""Colours, markers and dashes of figures as files: those that page.css and charts.js have in the light mode."""

# by the place of a subject in the palette; colour-blind readers can tell them apart
HUES = ("#0b66b5", "#c4511b", "#0a8060", "#a8438a", "#8f6a00", "#1b8fa8", "#4b4f57")
NEUTRAL, ACCENT = "#767d86", "#0b5cad"
INK, QUIET, GRID, BASE = "#16191d", "#575e67", "#e3e6e9", "#b9c0c7"
# names of Matplotlib for what charts.js draws
MARKERS = ("o", "s", "^", "D", "v")
# lengths of strokes and gaps in points: of each round through the palette, and of references
DASHES = (None, (5.2, 2.2), (1.5, 2.2))
REFERENCE_DASHES = ((3.7, 3.0), (1.1, 2.2), (6.7, 2.2, 1.5, 2.2))


def hue(colour: int | None) -> str:
    """Return the colour of a place in the palette, which begins anew after its last; grey for a reference."""
    return NEUTRAL if colour is None else HUES[colour % len(HUES)]


def marker(colour: int | None) -> str:
    """Return the marker of a place in the palette: another one in the next round."""
    return MARKERS[0 if colour is None else (colour + colour // len(HUES)) % len(MARKERS)]


def dash(colour: int | None, place: int = 0) -> tuple[float, ...] | None:
    """Return the dash of a line, None for a solid one; place: that of a reference among the references."""
    if colour is None:
        return REFERENCE_DASHES[place % len(REFERENCE_DASHES)]
    return DASHES[colour // len(HUES) % len(DASHES)]
