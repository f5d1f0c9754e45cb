"""The figures of a dataset, as the page shows them and as they are written to files."""

from collections.abc import Mapping

from semid.report.comparisons import comparison_figures
from semid.report.cost import cost_figure
from semid.report.earlier import drift_figure
from semid.report.explorer import Explored
from semid.report.figures import Figure
from semid.report.funnel import funnel_figure
from semid.report.generators import generator_figure
from semid.report.places import map_figure
from semid.report.proxies import proxy_figures
from semid.report.recall import recall_figure
from semid.report.results import DatasetResults
from semid.report.slices import slice_figure
from semid.report.training import training_figures
from semid.report.usage import usage_figure


def figures_of(
    dataset: DatasetResults, colours: Mapping[str, int], explored: Explored | None = None
) -> dict[str, Figure]:
    """Return the figures of a dataset by their names; one that has nothing to show is not among them.

    colours: the place of each subject in the palette; explored: what is known of the codes, for how they are used and
    for the map.
    """
    made = [
        recall_figure(dataset, colours),
        generator_figure(dataset, colours),
        *comparison_figures(dataset),
        slice_figure(dataset, colours),
        usage_figure(explored.sizes if explored else {}, colours),
        *training_figures(dataset, colours),
        *proxy_figures(dataset, colours),
        drift_figure(dataset, colours),
        map_figure(explored),
        cost_figure(dataset),
        funnel_figure(dataset),
    ]
    return {figure.name: figure for figure in made if figure is not None}
