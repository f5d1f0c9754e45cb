"""Snakemake's own report has the figures, the tables and the page of a run, with captions, categories and labels."""

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from snake import ROOT, TINY, Run, call_snakemake

from semid.report.registry import FIGURES

CAPTIONS = ROOT / "rules" / "captions"
TABLES = ("offline_eval", "tokenizers", "pareto", "slices", "comparisons", "proxies")
# of a run without generators that loads no tokenizer
SHOWN = [name for name, figure in FIGURES.items() if figure.needs not in ("generators", "earlier")]


@pytest.fixture(scope="module")
def archive(tiny_run: tuple[Path, Run], tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The report of the tiny run, with the files that it shows beside its page."""
    directory, path = tiny_run[0], tmp_path_factory.mktemp("report") / "run.zip"
    made = call_snakemake(directory, "--configfile", TINY, "--", "all")
    assert made.ok, made.text
    run = call_snakemake(directory, "--configfile", TINY, "--report", path, "--", "all")
    assert run.ok, run.text
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def page(archive: zipfile.ZipFile) -> str:
    return archive.read("run/report.html").decode("utf-8")


def described(page: str, path: str) -> dict[str, Any]:
    """What the page of the report says of a file."""
    key = f'{json.dumps(path)}: {{"name"'
    assert page.count(key) == 1, path
    found: dict[str, Any] = json.JSONDecoder().raw_decode(page, page.index(key) + len(json.dumps(path)) + 2)[0]
    return found


def words(text: str) -> list[str]:
    """The words of a caption, as reStructuredText or as HTML."""
    plain = re.sub(r"<[^>]*>|``|\\", "", text).replace("&lt;", "<").replace("&gt;", ">").replace("&#64;", "@")
    return plain.replace("&quot;", '"').replace("&amp;", "&").replace("&#39;", "'").replace("’", "'").split()


def test_every_figure_has_its_file_its_caption_and_its_label(archive: zipfile.ZipFile, page: str) -> None:
    for name in SHOWN:
        found = described(page, f"results/figures/{name}.svg")
        assert found["labels"] == {"figure": FIGURES[name].title}
        assert words(found["caption"]) == words((CAPTIONS / f"{name}.rst").read_text(encoding="utf-8"))
        assert "<a " not in found["caption"], "no metric is an address of mail"
        assert FIGURES[name].title in archive.read(f"run/{found['data_uri']}").decode("utf-8")
    assert len(re.findall(r'"results/figures/[^"]*": {"name"', page)) == len(SHOWN)


def test_every_table_and_the_page_of_the_run_are_there(archive: zipfile.ZipFile, page: str) -> None:
    for name in TABLES:
        found = described(page, f"results/{name}.csv")
        assert found["labels"] == {"table": f"{name}.csv", "of": "the run"}
        assert words(found["caption"]) == words((CAPTIONS / "tables" / f"{name}.rst").read_text(encoding="utf-8"))
        assert archive.read(f"run/{found['data_uri']}").startswith(b"dataset,")
    found = described(page, "results/report.html")
    assert found["labels"] == {"page": "The run on one page"}
    assert b"semid <span>report" in archive.read(f"run/{found['data_uri']}")


def test_results_stand_in_their_categories(page: str) -> None:
    of = json.JSONDecoder().raw_decode(page, page.index("{", page.index("categories = ")))[0]
    assert of.keys() >= {"Figures", "Tables", "Page"}
    figures = {entry for entries in of["Figures"].values() for entry in entries}
    assert {f"results/figures/{name}.svg" for name in SHOWN} == figures
    assert set(of["Figures"]) == {FIGURES[name].category for name in SHOWN}


def test_every_caption_is_one_of_a_figure_or_a_table() -> None:
    assert {path.stem for path in CAPTIONS.glob("*.rst")} == {*FIGURES, "page"}
    marked = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "rules").glob("*.smk"))
    tables = set(re.findall(r'shown_table\(\s*"[^"]*?(\w+)\.csv"', marked))
    assert {path.stem for path in (CAPTIONS / "tables").glob("*.rst")} == tables
