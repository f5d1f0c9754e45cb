"""The map of the items as a figure: where they lie, with their categories and their first codes."""

from collections import Counter
from collections.abc import Iterator

from semid.report.explorer import Explored
from semid.report.figures import Figure, Places

# So many of the commonest categories have a colour.
NAMED_CATEGORIES = 7


def map_figure(explored: Explored | None) -> Figure | None:
    """Return the map of a dataset, coloured by category and by the first code of the first tree; None without one."""
    if explored is None or not explored.content["map"]:
        return None
    return Figure("map", "Map of the items", "", "", list(_variants(explored)))


def _variants(explored: Explored) -> Iterator[Places]:
    content, rows = explored.content, explored.rows.tolist()
    x, y = content["map"]["x"], content["map"]["y"]
    category, names = content["category"], content["categories"]
    layout = {"umap": "UMAP", "principal": "principal directions"}[content["map"]["layout"]]
    counts = Counter(place for place in category if place >= 0)
    commonest = sorted(counts, key=lambda place: (-counts[place], place))[:NAMED_CATEGORIES]
    if counts:
        hues = {place: number for number, place in enumerate(commonest)}
        colours = [hues.get(place) for place in category]
        texts = ["" if place < 0 else names[place] for place in category]
        shown = [names[place] for place in commonest]
        yield Places(f"{layout}, by category", x, y, colours, shown, rows, "category", texts)
    for tree in content["trees"][:1]:
        codes = [path[0] for path in tree["paths"]]
        yield Places(
            f"{layout}, by c1 of {tree['name']}", x, y, codes, [], rows, tree["name"], [str(code) for code in codes]
        )
