"""The site of the documentation: it is built without a warning, and opens in a browser without asking another host."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from snake import ROOT

pytestmark = pytest.mark.system

PAGES = (
    "index.html",
    "tutorials/catalogue.html",
    "reference/files.html",
    "reference/python.html",
    "findings/tokenizers.html",
)
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 780}


@pytest.fixture(scope="module")
def site() -> Path:
    run = subprocess.run(
        ["make", "docs", f"PYTHON={sys.executable}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return ROOT / "site"


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    loaded = re.compile(
        r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?https?:|<link\b(?![^>]*canonical)[^>]*https?:"
    )
    pages = list(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        assert not loaded.search(page.read_text(encoding="utf-8")), page
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?https?:|@import", style.read_text(encoding="utf-8")), style


def test_the_reference_has_options_and_no_marks_of_other_languages(site: Path) -> None:
    page = (site / "reference/python.html").read_text(encoding="utf-8")
    for name in ("RQKMeans", "SemanticIDs", "add_semantic_ids", "export_semantic_ids"):
        assert f"{name}</span>" in page, name
    assert "Quantize along that many principal directions" in page
    assert ":class:" not in page


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_from_disk(site: Path, chromium: Any, name: str, size: dict[str, int]) -> None:
    page = chromium.new_page(viewport=size)
    elsewhere: list[str] = []
    page.on("request", lambda request: None if request.url.startswith("file:") else elsewhere.append(request.url))
    page.goto((site / name).as_uri())
    page.wait_for_load_state("networkidle")
    assert page.locator("h1").count() == 1
    broken = "() => [...document.images].filter(image => !image.naturalWidth).map(image => image.src)"
    assert page.evaluate(broken) == []
    assert page.evaluate("() => document.documentElement.scrollWidth") <= size["width"]
    assert [url for url in elsewhere if url.startswith("http")] == []
    page.close()
