"""Snakemake's own report has the figures, the tables and the page of a run, with captions and labels."""

import zipfile
from pathlib import Path

import pytest
from snake import TINY, Run, call_snakemake

from semid.report.registry import FIGURES

TABLES = ("offline_eval", "tokenizers", "pareto", "slices", "comparisons", "proxies")
# of a run without generators that loads no tokenizer
SHOWN = [name for name, figure in FIGURES.items() if figure.needs not in ("generators", "earlier")]


@pytest.fixture(scope="module")
def reported(tiny_run: tuple[Path, Run], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files in the report of the tiny run, as text, by their paths."""
    directory = tiny_run[0]
    made = call_snakemake(directory, "--configfile", TINY, "--", "all")
    assert made.ok, made.text
    archive = tmp_path_factory.mktemp("report") / "report.zip"
    run = call_snakemake(directory, "--configfile", TINY, "--report", archive, "--", "all")
    assert run.ok, run.text
    with zipfile.ZipFile(archive) as report:
        return {name: report.read(name).decode("utf-8", "replace") for name in report.namelist()}


def test_figures_tables_and_page_are_there(reported: dict[str, str]) -> None:
    files = {name.rpartition("/")[2] for name in reported}
    assert {f"{name}.svg" for name in SHOWN} | {f"{name}.csv" for name in TABLES} | {"report.html"} <= files
