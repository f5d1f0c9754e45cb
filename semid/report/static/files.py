"""The figures of a run as files: each as SVG, as PDF, and its values as CSV."""

import logging
from collections.abc import Collection
from pathlib import Path

from semid.files import write_text
from semid.report.explorer import explore, shared_limits
from semid.report.figures import Figure
from semid.report.of_dataset import figures_of
from semid.report.registry import FIGURES
from semid.report.results import TABLES, Results
from semid.report.static.drawing import draw, save
from semid.report.static.table import as_csv

logger = logging.getLogger(__name__)


def write_figures(
    results: str | Path,
    folder: str | Path,
    names: Collection[str] = (),
    tables: Collection[str] = tuple(TABLES),
    layout: str = "auto",
) -> list[str]:
    """Write `<name>.svg`, `.pdf` and `.csv` of figures into a folder, and return their names.

    names: those of :data:`FIGURES` that are written whatever there is, and say so where there is nothing; without any,
    those that have something to show. tables: the names of those that belong to the run; layout: that of the map.
    Raises `InputError` as :func:`semid.report.page.write_report` does.
    """
    read = Results.read(results, tables)
    limits = shared_limits(read)
    made: dict[str, dict[str, Figure]] = {}
    for dataset in read.datasets:
        made[dataset.name] = figures_of(dataset, read.colours, explore(dataset, *limits, layout))
    shown = names or [name for name in FIGURES if any(name in figures for figures in made.values())]
    for name in shown:
        of_datasets = {dataset: figures.get(name) for dataset, figures in made.items()}
        drawn = draw(name, of_datasets)
        for kind in ("svg", "pdf"):
            save(drawn, Path(folder) / f"{name}.{kind}")
        write_text(Path(folder) / f"{name}.csv", as_csv(of_datasets))
        logger.info("%s: drawn", name)
    return list(shown)
