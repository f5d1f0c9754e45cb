"""`semid report`: the page and the figures of a run that has been made."""

from importlib.util import find_spec
from pathlib import Path

from semid.errors import InputError
from semid.terminal import printable

PAGE, FIGURES = "report.html", "figures"


def write_page(folder: Path, output: Path | None, layout: str = "auto", with_figures: bool = False) -> None:
    """Write the page of the results in a folder, beside them or where `output` says, and say where it is.

    layout: that of the map; with_figures: whether the figures are drawn too, beside the page. Raises `InputError` where
    there are no results, for a layout that is not known or not installed, or where Jinja or Matplotlib is missing.
    """
    _need("jinja2", "a report needs Jinja")
    from semid.report.page import write_report

    output = folder / PAGE if output is None else output
    write_report(folder, output, layout=layout)
    print(printable(f"{output}: {output.stat().st_size / 1e6:.1f} MB, to be opened in a browser"))
    if with_figures:
        _need("matplotlib", "figures need Matplotlib")
        from semid.report.static.files import write_figures

        names = write_figures(folder, output.parent / FIGURES, layout=layout)
        print(printable(f"{output.parent / FIGURES}: {', '.join(names)}, each as .svg, .pdf and .csv"))


def _need(package: str, what: str) -> None:
    if find_spec(package) is None:
        raise InputError(f"{what}: pip install 'semid[report]'")
