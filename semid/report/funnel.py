"""What became of the data: what was read, what each step left, and how it was split."""

from collections.abc import Iterator
from typing import Any

from semid.report.figures import Axis, Bar, Bars, Figure
from semid.report.results import DatasetResults

STEPS = {
    "read": "read",
    "usable": "usable rows",
    "known_items": "items of the catalogue",
    "repeats": "first of repeats",
    "k_core": "k-core",
}
REASONS = {
    "unknown_item": "of unknown items",
    "repeated": "repeated",
    "k_core": "of users or items with too few interactions",
    "duplicate_listing": "listed twice",
}


def funnel_figure(dataset: DatasetResults) -> Figure | None:
    """Return the bars of interactions after each step; None for a dataset without interactions."""
    stats = dataset.stats()
    steps = stats.get("steps")
    if not steps:
        return None
    rows = [Bar(_named(step, stats), [step["rows"]], _counted(step)) for step in steps]
    rows += [Bar(name, [split["rows"]], _counted(split), "splits") for name, split in stats.get("splits", {}).items()]
    return Figure(
        "funnel",
        "What became of the data",
        "Interactions that each step left, with their users and items, and the splits that were made of the rest.",
        f"data/{dataset.name}/stats.json",
        [Bars("interactions", Axis("interactions", "count"), ["interactions"], rows)],
    )


def dropped(dataset: DatasetResults) -> Iterator[tuple[str, int, str]]:
    """Yield the table, the number of rows and the reason of what preprocessing dropped."""
    for table, reasons in dataset.stats().get("dropped", {}).items():
        for reason, count in reasons.items():
            yield table, count, REASONS.get(reason, reason.replace("_", " "))


def _named(step: dict[str, Any], stats: dict[str, Any]) -> str:
    if step["step"] == "k_core":
        return f"{stats.get('settings', {}).get('k_core', 'k')}-core"
    return STEPS.get(step["step"], step["step"].replace("_", " "))


def _counted(counts: dict[str, Any]) -> str:
    return f"{counts['users']:,} users, {counts['items']:,} items"
