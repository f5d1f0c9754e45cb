"""The page of a run: its numbers are those of the tables, its words follow from them, and texts stay texts."""

import base64
import csv
import gzip
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import HOSTILE
from report_run import CATEGORIES, RECALLS, VERDICT, write_earlier, write_run

from semid.errors import InputError
from semid.report import page
from semid.report.comparisons import comparison_figures
from semid.report.equal_candidates import at_equal_candidates, chosen_budget
from semid.report.explorer import shown_rows
from semid.report.figures import Intervals
from semid.report.headline import best_of, findings
from semid.report.map import PLACES, chosen_layout, has_umap, item_map
from semid.report.page import escaped_json, report_page
from semid.report.results import Results, colour_of, without_seeds
from semid.report.tree import DescribedCatalogue, code_tree
from semid.report.usage import curve, level_rows, sorted_sizes
from semid.semantic_ids.decoding_errors import squared_errors


class Cells(HTMLParser):
    """The tables of a page, by their name: of each row its texts and its numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, list[list[tuple[str, float | None]]]] = {}
        self._rows: list[list[tuple[str, float | None]]] = []
        self._value: float | None = None
        self._text: str | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        if tag == "table":
            self._rows = self.tables.setdefault(named["data-table"] or "", [])
        elif tag == "tr":
            self._rows.append([])
        elif tag == "td":
            self._text, self._value = "", float(named["data-value"]) if named.get("data-value") else None

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "td":
            self._rows[-1].append(((self._text or "").strip(), self._value))
            self._text = None


def cells(text: str) -> dict[str, list[list[tuple[str, float | None]]]]:
    parser = Cells()
    parser.feed(text)
    return {name: [row for row in rows if row] for name, rows in parser.tables.items()}


def figures(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found[1])


def explorer(text: str, name: str = "d0") -> dict[str, Any]:
    found = re.search(rf'<script type="text/plain" id="{name}-explorer-data">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(gzip.decompress(base64.b64decode(found[1])))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def text(results: Path) -> str:
    return report_page(Results.read(results))


def test_the_table_at_equal_candidates_is_that_of_the_csv(results: Path, text: str) -> None:
    table = cells(text)["recall"]
    written = {
        row["tokenizer"]: row
        for row in rows_of(results / "offline_eval.csv")
        if (row["candidates"], row["budget"], row["rerank"]) == ("probe", "100", "exact")
    }
    both_seeds = [float(written[name]["recall@10"]) for name in ("rqkmeans_2x8", "rqkmeans_2x8-s1")]
    expected = {"rqkmeans_2x8 2 seeds": sum(both_seeds) / 2}
    expected |= {name: float(written[name]["recall@10"]) for name in ("rqvae_2x8", "rqkmeans_2x4")}
    assert {row[0][0]: row[1][1] for row in table} == pytest.approx(expected)
    assert [row[1][1] for row in table] == sorted((row[1][1] for row in table), reverse=True)
    assert table[1][1][0] == "0.0400 [0.0360, 0.0480]"


def test_scorecards_are_those_of_the_csv(results: Path, text: str) -> None:
    written = rows_of(results / "tokenizers.csv")
    shown = cells(text)["scorecards"]
    assert [row[0][0] for row in shown] == [row["tokenizer"] for row in written]
    for row, card in zip(shown, written, strict=True):
        numbers = [value for _, value in row[1:] if value is not None]
        assert numbers[0] == float(card["unique_codes"])
        assert float(card["reconstruction_error"]) in numbers


def test_points_of_the_figure_are_rows_of_the_csv(results: Path, text: str) -> None:
    variants = {variant["label"]: variant for variant in figures(text)["d0-recall"]["variants"]}
    written = rows_of(results / "offline_eval.csv")
    for label, metric, strategies in (
        ("Recall@10", "recall@10", ("probe",)),
        ("NDCG@10", "ndcg@10", ("probe",)),
        ("Recall@10, all strategies", "recall@10", ("probe", "exact")),
    ):
        points = {
            point["x"]: (point["y"], point["low"], point["high"])
            for series in variants[label]["series"]
            if series["name"] == "rqvae_2x8"
            for point in series["points"]
        }
        assert points == {
            float(row["avg_cand_size"]): tuple(float(row[f"{metric}{end}"]) for end in ("", "_low", "_high"))
            for row in written
            if (row["tokenizer"], row["rerank"]) == ("rqvae_2x8", "exact") and row["candidates"] in strategies
        }
    rules = {rule["name"]: rule["y"] for rule in variants["Recall@10"]["rules"]}
    assert rules == {"whole catalogue": 0.09, "popularity": 0.01, "co-occurrence": 0.02}
    assert variants["Recall@10 by codes alone"]["series"][0]["name"] == "rqkmeans_2x8"


def test_seeds_are_a_band_around_their_mean(text: str) -> None:
    series = figures(text)["d0-recall"]["variants"][0]["series"][0]
    assert series["name"] == "rqkmeans_2x8"
    point = series["points"][-1]
    assert (point["y"], point["seed_low"], point["seed_high"]) == pytest.approx((0.055, 0.05, 0.06))


def test_forests_and_slices_are_rows_of_the_csv(results: Path, text: str) -> None:
    forest = figures(text)["d0-comparisons"]["variants"][0]
    written = [row for row in rows_of(results / "comparisons.csv") if row["metric"] == "recall@10"]
    assert [(row["a"], row["b"], row["value"], row["low"], row["high"]) for row in forest["rows"]] == [
        (row["tokenizer_a"], row["tokenizer_b"], *(float(row[name]) for name in ("difference", "low", "high")))
        for row in written
    ]
    assert [row["sure"] for row in forest["rows"]] == [False, True, False]
    slices = figures(text)["d0-slices"]["variants"]
    assert [variant["label"] for variant in slices] == [
        "tokenizers, probe 100",
        "generators, generate",
        "generators, dense",
        "generators, hybrid",
    ]
    cold = [row for row in slices[0]["rows"] if row["group"].startswith("cold")]
    assert {row["value"] for row in cold} == {0.005}
    assert cold[0]["group"] == "cold targets: none in training · 5 queries"


def test_generators_are_those_of_the_csv_in_both_modes(results: Path, text: str) -> None:
    variants = {variant["label"]: variant["rows"] for variant in figures(text)["d0-generators"]["variants"]}
    for seen in ("removed", "kept"):
        shown = {
            (row["name"], row["group"].split(":")[0]): row["value"] for row in variants[f"Recall@10, seen items {seen}"]
        }
        expected = {
            ("/".join(filter(None, [row["tokenizer"], row["generator"]])), row["ranking"]): float(row["recall@10"])
            for row in rows_of(results / "generative_eval.csv")
            if row["seen"] == seen and row["generator"]
        }
        controls = {("popularity", "controls"): 0.01} if seen == "removed" else {}
        assert shown == expected | controls


def test_the_epoch_kept_and_the_rollback_are_marked(text: str) -> None:
    (series,) = figures(text)["d0-training"]["variants"][0]["series"]
    assert [(point["x"], point["y"], point.get("mark")) for point in series["points"]] == [
        (0, 0.5, "kept"),
        (1, 0.45, "back"),
        (2, 0.6, None),
    ]


def test_costs_and_data_are_those_of_the_files(text: str) -> None:
    cost = figures(text)["d0-cost"]["variants"][0]
    assert {row["name"]: dict(zip(cost["parts"], row["values"], strict=True)) for row in cost["rows"]} == {
        "the dataset itself": {"train": 0, "encode": 0, "evaluate": 0, "other": 3},
        "rqkmeans_2x8": {"train": 5, "encode": 2, "evaluate": 0, "other": 0},
    }
    funnel = figures(text)["d0-funnel"]["variants"][0]["rows"]
    assert [(row["name"], row["values"][0]) for row in funnel] == [
        ("read", 700),
        ("5-core", 500),
        ("train", 300),
        ("test", 100),
    ]
    assert cells(text)["dropped"] == [
        [("interactions", None), ("200", 200.0), ("of users or items with too few interactions", None)]
    ]


def test_the_headline_says_what_is_best_and_what_differs(results: Path) -> None:
    (dataset,) = Results.read(results).datasets
    tokenizer, generator = best_of(dataset)
    assert (tokenizer.name, tokenizer.where, tokenizer.seeds) == ("rqkmeans_2x8", "with 100 candidates", 2)
    assert (tokenizer.doubt, generator.doubt) == ("; one other may be as good", "")
    assert (tokenizer.recall, tokenizer.low, tokenizer.high) == pytest.approx((0.055, 0.0495, 0.066))
    assert dict(tokenizer.references) == {"the whole catalogue": 0.09, "popularity": 0.01, "co-occurrence": 0.02}
    assert (generator.name, generator.recall) == ("rqkmeans_2x8/generator-tiny", 0.03)
    said = [finding.text for finding in findings(dataset)]
    assert said[0].startswith("rqkmeans_2x8 differs from rqkmeans_2x4 (+0.0250, p = 0.003)")
    assert said[1] == "No difference is shown between rqkmeans_2x8 and rqvae_2x8 (+0.0150, p = 0.2)."
    assert any("rqvae_2x8: training added nothing" in text for text in said)
    assert any("25 of 100 users (25%) have their last two interactions at the same time" in text for text in said)
    assert any("2 without a history, 1 whose next item is not in the catalogue" in text for text in said)
    assert any("57 of 60 items were evaluated" in text for text in said)
    assert any("For 5 of them the next item is cold" in text for text in said)


def test_tokenizers_are_compared_at_the_budget_nearest_to_a_hundred(results: Path) -> None:
    read = Results.read(results)
    rows = [row for row in read.tables["offline_eval"] if row["budget"] != "100"]
    (dataset,) = Results(read.folder, {**read.tables, "offline_eval": rows}).datasets
    assert chosen_budget(dataset) == 10
    assert at_equal_candidates(dataset)[0].mean("recall@10") == pytest.approx(0.0275)


def test_a_table_that_is_not_there_leaves_its_section_out(results: Path) -> None:
    text = report_page(Results.read(results, ["tokenizers"]))
    assert set(figures(text)) == {"d0-usage", "d0-training", "d0-cost", "d0-funnel"}
    assert "Codes without an evaluation" in text
    assert cells(text).keys() == {"scorecards", "levels", "dropped"}


def test_a_folder_without_results_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no tokenizers\.csv here"):
        Results.read(tmp_path)


def test_the_same_files_give_the_same_page(results: Path, text: str) -> None:
    assert report_page(Results.read(results)) == text


def test_every_file_of_the_page_is_known_to_the_digest() -> None:
    folder = Path(page.__file__).parent
    assert {path.name for path in folder.iterdir() if path.suffix in (".css", ".html", ".js")} == set(page._DATA_FILES)


def test_hostile_titles_are_text(tmp_path: Path) -> None:
    text = report_page(Results.read(write_run(tmp_path, titles=HOSTILE, items=120)))
    assert "<script>alert" not in text
    assert text.count("<script") == 3
    content = explorer(text)
    assert content["title"][HOSTILE.index("<script>alert(1)</script>")] == "<script>alert(1)</script>"
    assert all(len(title) <= 120 for title in content["title"])
    assert content["title"][7] == ""


@pytest.mark.parametrize(
    "hostile", ["</script><script>alert(1)</script>", "<!--", "]]>", "\u2028", "&lt;", "\ud800", '"']
)
def test_escaped_json_is_the_same_json_without_markup(hostile: str) -> None:
    escaped = escaped_json({hostile: [hostile]})
    assert not set("<>&\u2028\u2029") & set(escaped)
    assert json.loads(escaped) == {hostile: [hostile]}


def test_curves_keep_both_ends_and_sizes_add_up() -> None:
    codes = np.random.default_rng(0).integers(0, 300, (2000, 2))
    for level, sizes in enumerate(sorted_sizes(codes)):
        assert sizes.sum() == 2000
        assert len(sizes) == len(np.unique(codes[:, level]))
        points = curve(sizes)
        assert (points[0].x, points[0].y) == (1, sizes[0])
        assert (points[-1].x, points[-1].y) == (len(sizes), sizes[-1])
        assert len(points) <= 64
    few = np.array([9, 4, 4, 1])
    assert [(point.x, point.y) for point in curve(few)] == [(1, 9), (2, 4), (3, 4), (4, 1)]


def test_levels_know_the_sizes_of_their_own_codebooks(results: Path, text: str) -> None:
    shown = cells(text)["levels"]
    assert [(row[0][0], row[1][1], row[2][1], row[3][1]) for row in shown] == [
        ("rqkmeans_2x8", 1, 8, 0),
        ("rqkmeans_2x8", 2, 8, 0),
        ("rqvae_2x8", 1, 8, 0),
        ("rqvae_2x8", 2, 8, 0),
        ("rqkmeans_2x4", 1, 4, 0),
        ("rqkmeans_2x4", 2, 4, 0),
    ]
    (dataset,) = Results.read(results).datasets
    sizes = {"rqkmeans_2x8": [np.array([5, 3, 2]), np.array([9, 1])]}
    rows = level_rows(dataset, sizes, {"rqkmeans_2x8": (8, 2)})
    assert [(row.used, row.dead, row.largest_share) for row in rows] == [(3, 5, 0.5), (2, 0, 0.9)]
    assert [row.dead for row in level_rows(dataset, sizes, {})] == [5, 6]


def brute_tree(codes: np.ndarray, category: np.ndarray, error: np.ndarray) -> dict[tuple[int, ...], tuple[Any, ...]]:
    """Every prefix of two items or more: its size, codes below, mean error, and how many items its category has."""
    tree = {}
    for depth in range(1, codes.shape[1] + 1):
        for prefix in {tuple(row) for row in codes[:, :depth].tolist()}:
            members = np.flatnonzero((codes[:, :depth] == prefix).all(axis=1))
            if len(members) > 1:
                below = len(np.unique(codes[members, depth])) if depth < codes.shape[1] else 0
                counts = np.bincount(category[members][category[members] >= 0], minlength=1)
                tree[prefix] = (len(members), below, float(error[members].mean()), int(counts.max()))
    return tree


def read_tree(tree: dict[str, Any]) -> dict[tuple[int, ...], tuple[Any, ...]]:
    """The same of a tree as the page has it."""
    found: dict[tuple[int, ...], tuple[Any, ...]] = {}
    above: list[tuple[int, ...]] = [()]
    for level in tree["levels"]:
        keys = []
        for place, code in enumerate(level["code"]):
            parent = level["parent"][place]
            keys.append((*(above[parent] if parent >= 0 else ()), code))
            size = level["size"][place]
            counted = round(level["share"][place] * size)
            found[keys[-1]] = (size, level["children"][place], level["error"][place], counted)
        above = keys
    return found


def test_a_tree_has_sizes_errors_and_categories_of_all_items() -> None:
    random = np.random.default_rng(1)
    codes = random.integers(0, 4, (300, 3)).astype(np.uint8)
    category, error = random.integers(-1, 3, 300), random.random(300, np.float32)
    tree = code_tree(codes, DescribedCatalogue(category, np.arange(300), error))
    expected, found = brute_tree(codes, category, error), read_tree(tree)
    assert found.keys() == expected.keys()
    for prefix, (size, below, mean, counted) in expected.items():
        assert found[prefix][:2] == (size, below)
        assert found[prefix][2] == pytest.approx(mean, rel=1e-3)
        assert found[prefix][3] == counted
    assert tree["paths"] == codes.tolist()
    assert tree["errors"] == pytest.approx(error.tolist(), rel=1e-3)


def test_a_sampled_tree_keeps_whole_sizes_and_all_prefixes_of_its_items(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    codes = random.integers(0, 6, (500, 3)).astype(np.uint8)
    category, error = random.integers(-1, 3, 500), random.random(500, np.float32)
    shown = shown_rows(500, 40)
    whole = brute_tree(codes, category, error)
    for most in (1 << 16, 3):
        monkeypatch.setattr("semid.report.tree.MOST_WHOLE", most)
        found = read_tree(code_tree(codes, DescribedCatalogue(category, shown, error)))
        assert all(found[prefix][:2] == whole[prefix][:2] for prefix in found)
        needed = {tuple(codes[row, :depth].tolist()) for row in shown for depth in (1, 2, 3)} & whole.keys()
        assert needed <= found.keys()
        deep = {prefix for prefix in found if len(prefix) == 3}
        assert deep <= needed
        assert (found.keys() == needed) == (most == 3)


def test_shown_items_are_all_or_a_seeded_sample() -> None:
    assert shown_rows(10, 10).tolist() == list(range(10))
    sample = shown_rows(1000, 50)
    assert len(np.unique(sample)) == 50
    assert (np.diff(sample) > 0).all()
    assert (sample == shown_rows(1000, 50)).all()


def test_the_explorer_has_the_codes_and_categories_of_the_run(results: Path, text: str) -> None:
    content = explorer(text)
    assert [tree["name"] for tree in content["trees"]] == ["rqkmeans_2x8", "rqvae_2x8", "rqkmeans_2x4"]
    narrowest = [CATEGORIES[item % 5][-1] if CATEGORIES[item % 5] else None for item in range(60)]  # type: ignore[index]
    shown = [content["categories"][place] if place >= 0 else None for place in content["category"]]
    assert shown == narrowest
    error = next(row for row in rows_of(results / "tokenizers.csv") if row["tokenizer"] == "rqkmeans_2x4")
    errors = content["trees"][2]["errors"]
    assert np.mean(errors) == pytest.approx(float(error["reconstruction_error"]), rel=1e-3)


def test_errors_are_squared_distances_whatever_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.random.default_rng(3).normal(size=(50, 4)).astype(np.float16)
    codes = np.arange(50)[:, None] % 5
    monkeypatch.setattr("semid.semantic_ids.decoding_errors.block_rows", lambda dim: 7)
    found = squared_errors(vectors, lambda codes: np.repeat(codes, 4, axis=1).astype(np.float32), codes)
    expected = ((vectors.astype(np.float64) - codes) ** 2).sum(axis=1)
    assert found == pytest.approx(expected, rel=1e-5)


def test_datasets_share_what_the_page_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semid.report.explorer.MOST_ITEMS", 60)
    text = report_page(Results.read(write_run(tmp_path, datasets=("shop", "market"))))
    assert [len(explorer(text, name)["id"]) for name in ("d0", "d1")] == [30, 30]
    assert "30 of them, drawn at random with seed 0" in text
    assert set(RECALLS) == {row[0][0] for row in cells(text)["scorecards"]}


def test_a_map_keeps_distances_of_what_lies_in_a_plane() -> None:
    random = np.random.default_rng(4)
    plane = np.linalg.qr(random.normal(size=(6, 2)))[0].T
    places = random.normal(size=(80, 2)) * (3, 1)
    vectors = (places @ plane + 5).astype(np.float32)
    shown = np.arange(0, 80, 2)
    found = item_map(vectors, shown)
    assert found is not None
    assert found["share"] == pytest.approx(1, abs=1e-3)
    drawn = np.stack([found["x"], found["y"]], axis=1)
    assert (drawn.min(), drawn.max()) == (0, PLACES)
    assert np.ptp(drawn[:, 0]) > np.ptp(drawn[:, 1])
    between = [np.linalg.norm(of[1:] - of[0], axis=1) for of in (drawn, places[shown])]
    assert between[0] / between[0].max() == pytest.approx(between[1] / between[1].max(), abs=2e-3)


def test_a_share_is_that_of_the_variance_and_equal_items_have_no_map() -> None:
    random = np.random.default_rng(5)
    vectors = random.normal(size=(4000, 8)).astype(np.float32)
    found = item_map(vectors, np.arange(4000))
    assert found is not None
    assert found["share"] == pytest.approx(2 / 8, abs=0.03)
    assert item_map(np.ones((10, 4), np.float32), np.arange(10)) is None
    assert item_map(vectors, np.arange(2)) is None


def test_a_map_says_by_what_it_was_made_and_refuses_what_is_not_there(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"map: expected one of auto, principal, umap, found 'tsne'"):
        chosen_layout("tsne")
    monkeypatch.setattr("semid.report.map.has_umap", lambda: False)
    with pytest.raises(InputError, match=r"map: umap needs a package that is not installed: pip install umap-learn"):
        report_page(Results.read(results), "umap")
    assert (chosen_layout("auto"), chosen_layout("principal")) == ("principal", "principal")
    monkeypatch.setattr("semid.report.map.has_umap", lambda: True)
    assert (chosen_layout("auto"), chosen_layout("principal"), chosen_layout("umap")) == ("umap", "principal", "umap")


def test_umap_that_cannot_be_imported_is_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    (tmp_path / "umap.py").write_text("raise RuntimeError('numba needs another numpy')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "umap", raising=False)
    assert chosen_layout("auto") == "principal"
    assert "umap cannot be imported, so that it makes no map: numba needs another numpy" in caplog.text
    with pytest.raises(InputError, match="map: umap needs a package that is not installed"):
        chosen_layout("umap")


def test_a_folder_called_umap_is_no_umap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = has_umap()
    (tmp_path / "umap").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert has_umap() == before


def test_umap_puts_neighbours_together_and_always_in_the_same_place(results: Path) -> None:
    pytest.importorskip("umap", reason="umap-learn is not installed, which is optional: pip install umap-learn")
    random = np.random.default_rng(6)
    centres = random.normal(size=(4, 16)) * 12
    group = np.repeat(np.arange(4), 50)
    vectors = (centres[group] + random.normal(size=(200, 16))).astype(np.float32)
    found = item_map(vectors, np.arange(200), "umap")
    assert found is not None
    assert found == item_map(vectors, np.arange(200), "auto")
    assert (found["layout"], "share" in found) == ("umap", False)
    drawn = np.stack([found["x"], found["y"]], axis=1)
    assert (drawn.min(), drawn.max()) == (0, PLACES)
    distances = np.linalg.norm(drawn[:, None] - drawn[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (group[distances.argmin(axis=1)] == group).mean() > 0.97
    text = report_page(Results.read(results), "umap")
    assert "lays items out by UMAP" in text
    assert "principal directions" not in text


def test_new_items_and_earlier_ids_are_said_in_words_and_numbers(tmp_path: Path) -> None:
    results = write_run(tmp_path)
    (dataset,) = Results.read(results).datasets
    assert not any("tokenizer:" in finding.text or "another ID" in finding.text for finding in findings(dataset))
    write_earlier(results)
    said = {finding.text: finding.kind for finding in findings(dataset)}
    assert said[f"rqvae_2x8: {VERDICT}."] == "beware"
    churned = "25.0% of the items that are still there have another ID than before; without the alignment 98.0%."
    assert said[f"rqkmeans_2x4: {churned}"] == "asked"
    text = report_page(Results.read(results))
    (variant,) = figures(text)["d0-drift"]["variants"]
    assert [(row["name"], row["value"], row["sure"]) for row in variant["rows"]] == [
        ("error of decoding", pytest.approx(0.6 / 0.5 - 1), True),
        ("divergence of the codes of level 1, bits", pytest.approx(0.05 / 0.2 - 1), False),
    ]
    tables = cells(text)
    assert [[value for _, value in row] for row in tables["drift-rqvae_2x8"]] == [
        [None, 50, 10, None, None],
        [None, 0.4, 0.6, 0.5, None],
        [None, None, 0.05, 0.2, None],
    ]
    assert [row[4][0] for row in tables["drift-rqvae_2x8"]] == ["", "yes", "no"]
    assert [(row[1][0], row[3][1], row[4][1]) for row in tables["churn"]] == [
        ("1", 0.9, 0.1),
        ("2", 0.95, 0.2),
        ("whole IDs", 0.98, 0.25),
    ]
    assert f"rqvae_2x8: {VERDICT}</caption>" in text


def test_a_tokenizer_that_suits_new_items_is_no_warning(tmp_path: Path) -> None:
    results = write_run(tmp_path)
    write_earlier(results)
    path = results / "shop" / "rqvae_2x8" / "drift.csv"
    verdict = "keep the tokenizer: new items suit it as old ones do"
    path.write_text(path.read_text().replace("True", "False").replace(f'"{VERDICT}"', verdict))
    (dataset,) = Results.read(results).datasets
    assert [finding.kind for finding in findings(dataset) if verdict in finding.text] == ["same"]
    path.write_text("figure,value\nerror,1\n")
    with pytest.raises(InputError, match=r"drift\.csv"):
        findings(dataset)


def test_a_subject_has_one_colour_in_all_figures() -> None:
    colours = {"rqkmeans_2x8": 0, "rqkmeans_2x8/repair-assign": 1, "sasrec": 2}
    names = (
        "rqkmeans_2x8",
        "rqkmeans_2x8/repair-assign",
        "rqkmeans_2x8/generator",
        "rqkmeans_2x8/repair-assign/generator",
    )
    assert [colour_of(name, colours) for name in (*names, "sasrec", "popularity")] == [0, 1, 0, 1, 2, None]
    assert (
        without_seeds("rqkmeans_2x8-s1/repair-assign", "generator-tiny-s2")
        == "rqkmeans_2x8/repair-assign/generator-tiny"
    )
    assert without_seeds("", "sasrec-s1") == "sasrec"


def test_a_forest_of_very_many_pairs_is_that_of_the_best(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (dataset,) = Results.read(results).datasets
    monkeypatch.setattr("semid.report.comparisons.MOST_PAIRS", 2)
    (figure,) = comparison_figures(dataset)
    assert [variant.label for variant in figure.variants] == ["Recall@10, probe 100", "NDCG@10, probe 100"]
    for variant in figure.variants:
        assert isinstance(variant, Intervals)
        assert variant.focus == "rqkmeans_2x8"
        assert [(row.a, row.b) for row in variant.rows] == [
            ("rqkmeans_2x8", "rqvae_2x8"),
            ("rqkmeans_2x8", "rqkmeans_2x4"),
        ]
    monkeypatch.setattr("semid.report.comparisons.MOST_ROWS", 3)
    assert [variant.label for variant in comparison_figures(dataset)[0].variants] == ["Recall@10, probe 100"]
