"""The figures of a run as files: what they show is what the page shows, as text, and the same every time."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from report_run import write_earlier, write_run

from semid.report import palette
from semid.report.comparisons import comparison_figures
from semid.report.figures import Axis, Figure, Interval, Intervals, Lines, Places, Point, Rule, Series
from semid.report.numbers import bounds, duration, nice_step, tick_text, ticks, written
from semid.report.recall import recall_figure
from semid.report.registry import FIGURES, figures_for
from semid.report.results import Results
from semid.report.static.drawing import draw, save
from semid.report.static.files import write_figures
from semid.report.static.rows import against_focus
from semid.report.static.table import as_csv

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "semid" / "report"
KINDS = ("svg", "pdf", "csv")
# the run of report_run.py has no histories of generators, and compares no generators
NOT_THERE = {"generator-training", "generator-comparisons"}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = write_run(tmp_path_factory.mktemp("run"), datasets=("shop", "market"))
    for dataset in ("shop", "market"):
        write_earlier(results, dataset)
    return results


@pytest.fixture(scope="module")
def folder(results: Path) -> Path:
    """The folder of the figures of that run."""
    assert set(write_figures(results, results / "figures")) == FIGURES.keys() - NOT_THERE
    return results / "figures"


def texts(path: Path) -> list[str]:
    """The texts of an SVG, of which each must be one that can be read and searched."""
    root = ElementTree.parse(path).getroot()
    return ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_figure_is_there_in_three_forms_and_nothing_else(folder: Path) -> None:
    expected = {f"{name}.{kind}" for name in FIGURES.keys() - NOT_THERE for kind in KINDS}
    assert {path.name for path in folder.iterdir()} == expected


@pytest.mark.parametrize("name", sorted(FIGURES.keys() - NOT_THERE))
def test_a_figure_is_text_that_says_what_it_shows(folder: Path, name: str) -> None:
    found = texts(folder / f"{name}.svg")
    assert FIGURES[name].title in found
    assert any(len(text) > 40 and FIGURES[name].note.startswith(text) for text in found)
    for dataset in ("shop", "market"):
        assert any(text.startswith(dataset) for text in found)
    assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    assert {row["dataset"] for row in rows_of(folder / f"{name}.csv")} == {"shop", "market"}


def test_the_values_of_the_figure_are_those_of_the_page(results: Path, folder: Path) -> None:
    read = Results.read(results)
    shop = recall_figure(read.datasets[0], read.colours)
    assert shop
    expected = [
        (variant.label, series.name, point.x, point.y, point.low, point.high, point.seed_low, point.mark)
        for variant in shop.variants
        if isinstance(variant, Lines)
        for series in variant.series
        for point in series.points
    ]
    points = [row for row in rows_of(folder / "recall.csv") if row["dataset"] == "shop" and row["x"]]
    numbers = ("x", "y", "low", "high", "seed_low")
    assert [
        (row["panel"], row["name"], *(float(row[key]) if row[key] else None for key in numbers), row["mark"] or None)
        for row in points
    ] == expected
    rules = {row["name"]: float(row["y"]) for row in rows_of(folder / "recall.csv") if not row["x"]}
    assert rules == {"whole catalogue": 0.09, "popularity": 0.01, "co-occurrence": 0.02}


def test_the_values_of_bars_slices_and_items_are_those_of_the_run(folder: Path) -> None:
    cost = [row for row in rows_of(folder / "cost.csv") if row["dataset"] == "shop" and row["name"] == "rqkmeans_2x8"]
    assert {row["part"]: float(row["value"]) for row in cost} == {"train": 5, "encode": 2, "evaluate": 0, "other": 0}
    cold = [row for row in rows_of(folder / "slices.csv") if row["group"].startswith("cold")]
    assert {float(row["value"]) for row in cold} == {0.005}
    items = [row for row in rows_of(folder / "map.csv") if row["dataset"] == "shop" and row["column"] == "category"]
    assert [int(row["item_index"]) for row in items] == list(range(60))
    assert [row["value"] for row in items[:5]] == ["Pans", "Lids", "Garden", "", ""]


def test_another_process_writes_the_same_bytes(results: Path, folder: Path, tmp_path: Path) -> None:
    names = ["recall", "slices", "map", "cost"]
    code = (
        "import sys; from semid.report.static.files import write_figures; "
        f"write_figures(sys.argv[1], sys.argv[2], {names})"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1", "TZ": "Asia/Tokyo"}
    command = [sys.executable, "-c", code, str(results), str(tmp_path)]
    subprocess.run(command, check=True, env=environment, cwd=ROOT, capture_output=True)
    for path in sorted(tmp_path.iterdir()):
        assert path.read_bytes() == (folder / path.name).read_bytes(), path.name
    assert len(list(tmp_path.iterdir())) == len(names) * len(KINDS)


def test_a_figure_that_was_asked_for_says_where_there_is_nothing(results: Path, tmp_path: Path) -> None:
    assert write_figures(results, tmp_path, ["generator-training"]) == ["generator-training"]
    assert "shop: No history of a training is there." in texts(tmp_path / "generator-training.svg")
    assert (tmp_path / "generator-training.csv").read_text() == "dataset,panel\n"


HOSTILE = "<script>$x^2$ & \u202egpj.exe\n\x07\ud800"


def test_names_stay_text_whatever_is_in_them(tmp_path: Path) -> None:
    places = Places("by category", [0, 1], [0, 1], [0, None], [HOSTILE], [0, 1], "category", [HOSTILE, ""])
    line = Lines(HOSTILE, Axis("x"), Axis("y"), [Series(HOSTILE, [Point(1, 2), Point(2, 3)], 0)], [Rule(HOSTILE, 2.5)])
    for name, variant in (("map", places), ("recall", line)):
        drawn = draw(name, {HOSTILE: Figure(name, "", "", "", [variant])})
        for kind in ("svg", "pdf"):
            save(drawn, tmp_path / f"{name}.{kind}")
        found = "\n".join(texts(tmp_path / f"{name}.svg"))
        assert "<script>$x^2$ & ?gpj.exe ??" in found


def test_what_does_not_end_as_a_figure_ends_is_refused(results: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        write_figures(results, tmp_path, ["nothing"])
    assert list(tmp_path.iterdir()) == []


def test_many_items_are_an_image_inside_of_the_map(tmp_path: Path) -> None:
    count = 4001
    at = list(range(count))
    places = Places("by c1", at, at, [place % 9 for place in at], [], at, "c1", ["0"] * count)
    drawn = draw("map", {"shop": Figure("map", "", "", "", [places])})
    save(drawn, tmp_path / "map.svg")
    assert "<image" in (tmp_path / "map.svg").read_text()
    assert (tmp_path / "map.svg").stat().st_size < 300_000
    assert as_csv({"shop": Figure("map", "", "", "", [places])}).count("\n") == count + 1


def test_a_forest_is_turned_to_what_is_best(results: Path) -> None:
    (figure,) = comparison_figures(Results.read(results).datasets[0])
    forest = figure.variants[0]
    assert isinstance(forest, Intervals)
    turned = against_focus(forest)
    assert [(row.name, round(row.value, 4), round(row.low or 0, 4)) for row in turned.rows] == [
        ("rqvae_2x8", -0.015, -0.025),
        ("rqkmeans_2x4", -0.025, -0.035),
    ]
    assert turned.x.label == "difference in Recall@10 to rqkmeans_2x8"
    pair = Intervals("", Axis("x"), [Interval("a − b", 1.0, 0.5, 1.5, a="a", b="b")], focus="a")
    assert against_focus(pair) is pair


def test_colours_are_those_of_the_page() -> None:
    css = (PAGE / "page.css").read_text()
    light = dict(re.findall(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6})", css))
    assert [light[f"hue-{place}"] for place in range(len(palette.HUES))] == list(palette.HUES)
    assert f"hue-{len(palette.HUES)}" not in light
    named = {"neutral": palette.NEUTRAL, "accent": palette.ACCENT, "ink": palette.INK, "quiet": palette.QUIET}
    assert {name: light[name] for name in named} == named
    script = (PAGE / "charts.js").read_text()
    assert f"const HUES = {len(palette.HUES)};" in script
    assert f"const MARKERS = {len(palette.MARKERS)};" in script
    looks = {(palette.hue(place), palette.marker(place), palette.dash(place)) for place in range(21)}
    assert len(looks) == 21


def test_numbers_are_written_as_on_the_page() -> None:
    formats = ("count", "share", "number", "percent", "seconds", "signed")
    assert [written(1234.5, format) for format in formats] == [
        *("1,234", "1234.5000", "1234", "123450.0%", "20.6 min", "+1234.5000"),
    ]
    assert [written(value, "signed") for value in (-0.5, 0)] == ["−0.5000", "0.0000"]
    assert [duration(seconds) for seconds in (3, 3.25, 119, 7199, 9000)] == [
        "3 s",
        "3.2 s",
        "119 s",
        "120 min",
        "2.5 h",
    ]
    assert [tick_text(value, "count", 1) for value in (2e6, 15000, 9999, 3)] == ["2M", "15k", "10,000", "3"]
    assert [tick_text(0.05, "share", 0.025), tick_text(-0.1, "signed", 0.1)] == ["0.050", "−0.1"]


def test_ticks_are_round_and_inside() -> None:
    assert ticks(0, 1, 5, "linear") == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert ticks(9, 2000, 5, "log") == pytest.approx([10, 100, 1000])
    assert ticks(9, 120, 5, "log") == pytest.approx([10, 20, 50, 100])
    assert ticks(0, 3, 5, "linear", "count") == [0, 1, 2, 3]
    assert ticks(0, 3700, 4, "linear", "seconds") == [0, 1800, 3600]
    assert nice_step(0, 5) > 0
    assert bounds([], "linear") == (0, 1)
    assert bounds([None, 10, 0], "log") == (5, 20)
    assert bounds([2, 4], "linear", from_zero=True) == (0, pytest.approx(4.12))


def test_a_run_has_the_figures_of_what_it_makes() -> None:
    assert figures_for(()) == ["usage", "map", "cost"]
    assert set(figures_for({"evaluation", "pairs", "generators", "histories", "earlier"})) == FIGURES.keys()


def test_every_figure_has_a_caption_for_the_report_of_snakemake() -> None:
    for name, figure in FIGURES.items():
        caption = (ROOT / "rules" / "captions" / f"{name}.rst").read_text(encoding="utf-8")
        assert f"``results/figures/{name}.csv``" in " ".join(caption.split())
        assert figure.title
