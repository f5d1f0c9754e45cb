"""A panel of the map of the items: points, in colours that may have names."""

from typing import Any

from semid.report.figures import Places
from semid.report.palette import BASE, NEUTRAL, hue
from semid.report.static.rows import shortened

# More points than these are an image inside of the figure.
MOST_SHAPES = 2000


def draw_places(axes: Any, variant: Places) -> None:
    """Draw a panel, with the names of its colours below."""
    count = len(variant.x)
    size = 14 if count < 500 else 6 if count < 5000 else 2.5
    style = {"s": size, "linewidths": 0, "alpha": 0.65, "rasterized": count > MOST_SHAPES}
    # grey ones lie below
    order = sorted(range(count), key=lambda item: variant.colours[item] is not None)
    x, y = ([values[item] for item in order] for values in (variant.x, variant.y))
    axes.scatter(x, y, c=[hue(variant.colours[item]) for item in order], **style)
    axes.set(aspect="equal", xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, color=BASE)
    if variant.names:
        named = [(hue(place), name) for place, name in enumerate(variant.names)]
        rest = [(NEUTRAL, "others")] if None in variant.colours else []
        handles = [axes.scatter([], [], c=colour, s=18, label=shortened(name)) for colour, name in named + rest]
        axes.legend(
            handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=2, frameon=False, fontsize=7
        )
