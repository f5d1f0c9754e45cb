"""`semid report`: the page of a run that has been made."""

from importlib.util import find_spec
from pathlib import Path

from semid.errors import InputError
from semid.terminal import printable

PAGE = "report.html"


def write_page(folder: Path, output: Path | None) -> None:
    """Write the page of the results in a folder, beside them or where `output` says, and say where it is.

    Raises `InputError` where there are no results, or where Jinja is missing.
    """
    if find_spec("jinja2") is None:
        raise InputError("a report needs Jinja: pip install 'semid[report]'")
    from semid.report.page import write_report

    output = folder / PAGE if output is None else output
    write_report(folder, output)
    print(printable(f"{output}: {output.stat().st_size / 1e6:.1f} MB, to be opened in a browser"))
