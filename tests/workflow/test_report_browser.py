"""The page of a run in a real browser: what is drawn, what can be reached, and what stays text."""

import re
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile import HOSTILE
from report_run import write_earlier, write_run

from semid.report.page import write_report

pytestmark = pytest.mark.system

AXE = "axe-core@4.14.1"
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 780}
SCRIPT = "<script>alert(1)</script>"
BIDI = "\u202egpj.exe"


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, which looks for what keeps people from a page; npm brings it."""
    folder = tmp_path_factory.mktemp("axe")
    try:
        subprocess.run(["npm", "pack", AXE], cwd=folder, check=True, capture_output=True, timeout=120)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"npm cannot bring {AXE}: {error}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        source = archive.extractfile("package/axe.min.js")
        assert source
        return source.read().decode()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run whose items have hostile titles and ids."""
    folder = tmp_path_factory.mktemp("report")
    results = write_run(folder, titles=HOSTILE, items=300)
    write_earlier(results)
    write_report(results, folder / "report.html", layout="principal")
    return folder / "report.html"


@pytest.fixture
def opened(chromium: Any, report: Path) -> Iterator[Callable[..., Any]]:
    """What opens the page in a size and a colour scheme; a complaint of the browser, or a request, fails the test."""
    contexts, complaints = [], []

    def open_page(viewport: dict[str, int] = DESKTOP, scheme: str = "light") -> Any:
        context = chromium.new_context(viewport=viewport, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: complaints.append(request.url) if request.url != report.as_uri() else None)
        page.goto(report.as_uri())
        for mount in page.query_selector_all("[data-figure], [data-explorer]"):
            mount.scroll_into_view_if_needed()
            page.wait_for_function("mount => mount.dataset.drawn", arg=mount)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [complaint for complaint in complaints if not complaint.startswith(("data:", "blob:"))] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_figure_is_drawn_and_nothing_scrolls_sideways(
    opened: Callable[..., Any], viewport: dict[str, int], scheme: str
) -> None:
    page = opened(viewport, scheme)
    figures = page.query_selector_all("[data-figure]")
    assert len(figures) == 11
    for figure in figures:
        marks = figure.query_selector_all(".plot svg :is(path, rect)")
        assert len(marks) >= 2, figure.get_attribute("data-figure")
        texts = [text.text_content() for text in figure.query_selector_all(".plot svg .axis")]
        assert all(texts), figure.get_attribute("data-figure")
        assert "NaN" not in figure.inner_html()
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= viewport["width"]
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) < 200) == (scheme == "dark")


def test_a_tooltip_tells_a_point_by_pointer_and_by_keyboard(opened: Callable[..., Any]) -> None:
    page = opened()
    plot = page.locator("[data-figure=d0-recall] .plot")
    plot.scroll_into_view_if_needed()
    dot = plot.locator("svg path.dot").first.bounding_box()
    page.mouse.move(dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2)
    tip = plot.locator(".tip")
    assert tip.is_visible()
    assert "Recall@10: 0.0275 [0.0248, 0.0330]" in tip.inner_text()
    page.mouse.move(2, 2)
    assert not tip.is_visible()
    plot.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert tip.is_visible()
    assert "Recall@10: 0.0550 [0.0495, 0.0660]" in tip.inner_text()
    assert "seeds from 0.0500 to 0.0600" in tip.inner_text()
    assert "Recall@10: 0.0550" in page.locator("[data-figure=d0-recall] [aria-live]").text_content()
    page.keyboard.press("Escape")
    assert not tip.is_visible()


def test_the_legend_takes_a_line_away_and_back(opened: Callable[..., Any]) -> None:
    page = opened()
    figure = page.locator("[data-figure=d0-recall]")
    lines = figure.locator(".plot svg g[data-name=rqvae_2x8]")
    assert lines.count() == 1
    button = figure.get_by_role("button", name="rqvae_2x8", exact=True)
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert lines.count() == 0
    button.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    assert lines.count() == 1


def test_a_forest_is_shown_against_the_name_that_is_chosen(opened: Callable[..., Any]) -> None:
    page = opened()
    figure = page.locator("[data-figure=d0-comparisons]")
    values = figure.locator(".plot svg .value")
    assert values.all_text_contents() == ["−0.0150", "−0.0250"]
    figure.get_by_label("What the others are compared with").select_option("rqkmeans_2x4")
    assert values.all_text_contents() == ["+0.0250", "+0.0100"]
    figure.locator("summary").click()
    figure.locator("tbody tr").first.wait_for()
    assert figure.locator("tbody tr").count() == 3


def test_variants_and_numbers_are_those_of_the_tables(opened: Callable[..., Any]) -> None:
    page = opened()
    figure = page.locator("[data-figure=d0-generators]")
    figure.get_by_role("combobox").select_option("Recall@10, seen items kept")
    assert figure.locator(".plot svg .value").all_text_contents() == ["0.0270", "0.0450", "0.0450", "0.0405"]
    figure.locator("summary").click()
    figure.locator("tbody tr").first.wait_for()
    assert figure.locator("tbody td:nth-child(3)").all_text_contents() == ["0.0270", "0.0450", "0.0450", "0.0405"]


@pytest.mark.parametrize("item", [SCRIPT, BIDI, "=cmd|' /C calc'!A0", '"', "&lt;b&gt;"])
def test_the_search_finds_an_item_of_any_title_and_shows_who_shares_its_id(
    opened: Callable[..., Any], item: str
) -> None:
    page = opened()
    place = HOSTILE.index(item)
    page.get_by_label("Search an item by title or id").fill(f"{item}#{place}"[:80])
    hit = page.locator(".hits .item .title")
    assert hit.all_text_contents() == [item]
    hit.click()
    assert page.locator(".hits").is_hidden()
    chosen = page.locator(".items .item.chosen")
    assert chosen.locator(".title").text_content() == item
    codes = [step.split("\n")[0] for step in page.locator(".path button").all_inner_texts()]
    assert len(codes) == 3
    assert re.search(r" share this ID|alone has this ID", page.locator(".node").text_content())
    sharing = page.locator(".items > .item").count()
    count = int(page.locator(".path button .count").last.text_content())
    assert sharing == count


def test_the_search_takes_words_in_any_order_and_says_when_there_is_more(opened: Callable[..., Any]) -> None:
    page = opened()
    search = page.get_by_label("Search an item by title or id")
    hits = page.locator(".hits .item")
    search.fill("number  PAN 99")
    assert hits.count() == 3
    search.fill("pan")
    assert hits.count() == 25
    assert "the first 25" in page.locator(".hits p").text_content()
    search.fill("no item has this")
    assert page.locator(".hits p").text_content() == "no such item"
    search.fill("")
    assert page.locator(".hits").is_hidden()


def test_the_tree_opens_level_by_level_and_its_sizes_add_up(opened: Callable[..., Any]) -> None:
    page = opened()
    sizes = page.locator(".codes .code .size")
    for depth in (1, 2):
        total = int(page.locator(".path button .count").last.text_content())
        assert sum(map(int, sizes.all_text_contents())) == total
        first = page.locator(".codes .code").first
        key = first.locator(".key").text_content()
        first.click()
        assert page.evaluate("document.activeElement.parentElement.className") == "path"
        assert key.count("-") == depth - 1
        assert page.locator(".path button[aria-current]").text_content().startswith(key)
    assert page.locator(".codes").is_hidden()
    page.get_by_label("Tokenizer", exact=True).select_option("rqkmeans_2x4")
    assert page.locator(".codes .code").count() == 4
    assert page.locator("bdi").count() > 0


def test_the_map_shows_an_item_and_opens_it(opened: Callable[..., Any]) -> None:
    page = opened()
    frame = page.locator(".map")
    frame.scroll_into_view_if_needed()
    place = page.evaluate(
        "() => { const { map } = document.querySelector('[data-explorer]').explorer; return map.place(20); }"
    )
    box = frame.bounding_box()
    page.mouse.move(box["x"] + place[0], box["y"] + place[1])
    title = frame.locator(".tip .title").text_content()
    page.mouse.down()
    page.mouse.up()
    chosen = page.locator(".items .item.chosen .title")
    assert chosen.text_content() == title
    assert page.locator(".path button").count() == 3
    frame.focus()
    page.keyboard.press("+")
    moved = page.evaluate("document.querySelector('[data-explorer]').explorer.map.zoom")
    page.keyboard.press("0")
    assert (moved, page.evaluate("document.querySelector('[data-explorer]').explorer.map.zoom")) == (1.6, 1)
    page.get_by_label("Colours of the map").select_option("category")
    assert page.locator(".map + .legend .entry").count() >= 1


def test_the_reader_chooses_light_or_dark(opened: Callable[..., Any]) -> None:
    page = opened()
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate(paper) != light
    page.reload()
    assert page.evaluate(paper) != light
    page.get_by_role("button", name="Light").click()
    assert page.evaluate(paper) == light


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened: Callable[..., Any], axe: str, scheme: str) -> None:
    page = opened(scheme=scheme)
    page.locator("summary").first.click()
    # the page forbids scripts from elsewhere, and what a tool evaluates is not of the page
    page.evaluate(axe)
    found = page.evaluate("axe.run()")
    serious = {
        rule["id"]: rule["nodes"][0]["html"][:200]
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
    }
    assert serious == {}
