"""Snakemake's own report has the figures, the tables and the page of a run, with captions and labels."""

import re
import zipfile
from pathlib import Path

import pytest
from snake import ROOT, TINY, Run, call_snakemake

from semid.report.registry import FIGURES

TABLES = ("offline_eval", "tokenizers", "pareto", "slices", "comparisons", "proxies")
# of a run without generators that loads no tokenizer
SHOWN = [name for name, figure in FIGURES.items() if figure.needs not in ("generators", "earlier")]


@pytest.fixture(scope="module")
def reported(tiny_run: tuple[Path, Run], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The text files in the report of the tiny run, by their paths."""
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
    assert {f"{name}.svg" for name in SHOWN} <= files
    assert {f"{name}.csv" for name in TABLES} & files or all(
        any(f"{name}.csv" in text for text in reported.values()) for name in TABLES
    )
    assert any("report.html" in name for name in reported)


def test_captions_and_labels_are_those_of_the_rules(reported: dict[str, str]) -> None:
    whole = "\n".join(reported.values())
    said = re.sub(r"\s+", " ", re.sub(r"<[^>]+>|\\n", " ", whole))
    for name in SHOWN:
        assert FIGURES[name].title in said, name
        beginning = (ROOT / "rules" / "captions" / f"{name}.rst").read_text(encoding="utf-8").split("``")[0]
        assert " ".join(beginning.split())[:60] in said, name
    for name in TABLES:
        caption = (ROOT / "rules" / "captions" / "tables" / f"{name}.rst").read_text(encoding="utf-8")
        assert " ".join(caption.split())[:50] in said, name
    assert {"Figures", "Tables", "Page"} <= set(re.findall(r"Figures|Tables|Page", said))
