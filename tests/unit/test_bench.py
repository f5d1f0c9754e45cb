"""The benchmark's own arithmetic; it measures nothing here."""

import csv
import math
import re
from importlib.metadata import PackageNotFoundError
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from bench import device, encode, machine, processes
from bench.__main__ import Sizes
from bench.data import grow, mixture, vectors_for
from bench.methods import Case, Method
from bench.processes import Measured, Worker, measure
from bench.quality import clustering_error, reconstruction_error, residual_error, unique_codes, usage
from bench.report import COLUMNS, add_ratios, as_csv, as_markdown, bars, failures_of_semid, rows_of
from semid.errors import InputError


def measured(name: str, *seconds: float, settings: str = "", failed: str = "", **quality: float) -> Measured:
    method = Method(name, name, lambda case: lambda rows, seed: {}, settings)
    return Measured(method, list(seconds), [quality] * len(seconds), "1.2", "numpy Zen", failed)


def rows_with_ratios(task: str, *found: Measured, **sizes: int) -> list[dict]:
    rows = rows_of(task, 1000, 8, Case(rows="", threads=1, **{"k": 256, **sizes}), found)
    add_ratios(rows)
    return rows


def test_a_row_holds_the_median_of_its_repeats_and_ratios_of_medians():
    semid, products = rows_with_ratios(
        "kmeans", measured("semid", 4.0, 2.0, 9.0, error=0.5), measured("bare products", 1.0)
    )
    assert (semid["seconds"], semid["seconds_min"], semid["seconds_max"], semid["repeats"]) == (4.0, 2.0, 9.0, 3)
    assert (semid["ratio_to_semid"], semid["ratio_to_products"]) == (1.0, 4.0)
    assert products["ratio_to_semid"] == 0.25


def test_the_fastest_variant_counts_and_of_those_that_train_the_most_exact():
    variants = [
        measured("peer", 1.0, settings="a", error=0.3),
        measured("peer", 2.0, settings="b", error=0.2),
        measured("peer", settings="c", failed="ImportError"),
    ]
    assert [row["counted"] for row in rows_with_ratios("kmeans", *variants)] == [1, 0, 0]
    assert [row["counted"] for row in rows_with_ratios("training", *variants)] == [0, 1, 0]


def test_time_to_an_error_is_that_of_the_shortest_semid_run_that_reaches_it():
    rows = rows_with_ratios(
        "kmeans",
        measured("semid", 10.0, error=0.20),
        measured("semid, fewer iterations", 3.0, settings="30%", error=0.24),
        measured("semid, fewer iterations", 5.0, settings="50%", error=0.22),
        measured("near", 4.0, error=0.22),
        measured("nearer", 4.0, error=0.19),
    )
    assert [row["semid_seconds_to_this_error"] for row in rows] == [10.0, 3.0, 5.0, 5.0, None]
    assert [row["counted"] for row in rows] == [1, 0, 0, 1, 1]


def test_bars_compare_with_peers_of_no_larger_error():
    def over_fastest(*peers: Measured, k: int = 256) -> float:
        rows = rows_with_ratios(
            "kmeans", measured("semid", 2.0, error=0.5), measured("bare products", 1.0), *peers, k=k
        )
        return bars(rows)[0]["value"]

    worse, slower, within = (
        measured("a", 1.0, error=0.51),
        measured("b", 4.0, error=0.5),
        measured("c", 1.6, error=0.5009),
    )
    assert over_fastest(worse, slower) == 0.5
    assert over_fastest(worse, slower, within) == 0.5
    assert over_fastest(worse, slower, within, k=4096) == 1.25
    assert over_fastest(worse) == 0.0


def value_of(what: str, task: str, *found: Measured, **sizes: int) -> float | None:
    """The measured number of the bar that begins with `what`; None where the bar is not there."""
    held = {bar["what"].partition(": ")[2]: bar["value"] for bar in bars(rows_with_ratios(task, *found, **sizes))}
    return next((value for name, value in held.items() if name.startswith(what)), None)


FAILED = measured("semid", failed="MemoryError")


def test_failures_of_semid_are_told_and_those_of_peers_are_not():
    rows = rows_with_ratios("kmeans", FAILED, measured("peer", failed="no wheel"), measured("semid", 1.0, error=0.1))
    assert failures_of_semid(rows) == ["kmeans: semid: MemoryError"]


@pytest.mark.parametrize(
    ("what", "task", "peer", "sizes"),
    [
        ("beam 1: time over that of the bare", "encode", "bare products", {}),
        ("beam 1: time over that of faiss", "encode", "faiss.ResidualQuantizer", {}),
        ("time over that of the fastest with no", "kmeans", "peer", {}),
        ("time to another's error", "kmeans", "peer", {}),
        ("time over that of the fastest within", "kmeans", "peer", {"k": 4096}),
        ("time to another's error", "kmeans", "peer", {"k": 4096}),
        ("time to the error of vector-quantize", "training", "vector-quantize-pytorch", {}),
    ],
)
def test_a_bar_is_missed_where_semid_failed_and_absent_where_its_peer_did(what: str, task: str, peer: str, sizes: dict):
    figures = {"error": 0.5, "unique_codes": 1.0}
    semid, other = measured("semid", 2.0, **figures), measured(peer, 4.0, **figures)
    assert value_of(what, task, semid, other, **sizes) == 0.5
    assert value_of(what, task, FAILED, other, **sizes) == math.inf
    assert value_of(what, task, semid, measured(peer, failed="no wheel"), **sizes) is None


@pytest.mark.parametrize(("task", "peer"), [("kmeans", "peer"), ("training", "vector-quantize-pytorch")])
def test_an_error_that_semid_never_reaches_is_a_missed_bar(task: str, peer: str):
    runs = measured("semid", 2.0, error=0.5, unique_codes=1.0), measured(peer, 4.0, error=0.4, unique_codes=1.0)
    assert value_of("time to", task, *runs) == math.inf
    page = as_markdown([], rows_with_ratios(task, *runs))
    assert re.search(r"time to .*\| not reached \| .* \| no \|", page)


def test_errors_of_product_codes_are_compared_with_those_of_faiss():
    semid, peer = measured("semid", 9.0, error=0.3), measured("faiss.OPQMatrix", 1.0, error=0.4)
    assert value_of("error over", "opq", semid, peer) == pytest.approx(0.75)
    assert value_of("error over", "opq", FAILED, peer) == math.inf
    assert value_of("error over", "opq", semid, measured("faiss.OPQMatrix", failed="no wheel")) is None


def test_unique_codes_that_semid_never_has_are_a_missed_bar():
    for semid in (FAILED, measured("semid", 2.0, error=0.5, unique_codes=0.9)):
        assert value_of("seconds, with", "training", semid) == math.inf
    assert value_of("seconds, with", "training", measured("semid", 2.0, error=0.5, unique_codes=0.98)) == 2.0


def test_a_beam_is_compared_with_beam_one_of_the_same_task_and_sizes():
    def over_beam_one(*four: Measured) -> list[float]:
        rows = rows_with_ratios("kmeans", measured("semid", 9.0, error=0.5))
        rows += rows_with_ratios("encode", measured("semid", 5.0), levels=2)
        rows += rows_with_ratios("encode", measured("semid", 2.0), levels=4)
        rows += rows_with_ratios("encode", *four, levels=4, beam=4)
        return [bar["value"] for bar in bars(rows) if "beam 4: time over" in bar["what"]]

    assert over_beam_one(measured("semid", 3.0)) == [1.5]
    assert over_beam_one(FAILED) == [math.inf]
    assert over_beam_one(FAILED, measured("bare products", 1.0)) == [math.inf]


def test_no_two_large_tokenizers_of_a_size_share_a_name():
    names = [(large.name, large.levels, large.k) for large in Sizes().large]
    assert len(set(names)) == len(names)


def test_a_library_that_is_not_installed_is_left_out_of_what_describes_the_machine(monkeypatch: pytest.MonkeyPatch):
    def version(name: str) -> str:
        if name == "faiss-cpu":
            raise PackageNotFoundError(name)
        return "1.2"

    monkeypatch.setattr(machine, "version", version)
    (versions,) = (line for line in machine.describe(2) if line.startswith("Python"))
    assert versions.endswith(", torch 1.2, numpy 1.2, numba 1.2, scikit-learn 1.2")


def test_the_csv_has_every_column_and_leaves_empty_what_is_not_known():
    rows = rows_with_ratios("encode", measured("semid", 1.5, error=0.123456789), measured("peer", failed="no wheel"))
    semid, peer = csv.DictReader(StringIO(as_csv(rows)))
    assert tuple(semid) == COLUMNS
    assert (semid["seconds"], semid["error"], semid["perplexity"]) == ("1.5", "0.123457", "")
    assert (peer["seconds"], peer["failed"], peer["repeats"]) == ("", "no wheel", "0")


def test_the_page_shows_what_counts_and_says_what_did_not_run():
    rows = rows_with_ratios("encode", measured("semid", 1.5, error=0.25), measured("peer", failed="no wheel"), levels=4)
    page = as_markdown(["one machine", "some rows"], rows)
    assert "- one machine\n- some rows\n- kind of CPU that each OpenBLAS works for: numpy Zen\n" in page
    assert "| semid |  | 1.2 | 1.5 | 1.5 | 1.5 | 1 | 1.00 | 0.25000 |" in page
    assert "encode 4×256, beam 1, 1,000 × 8: peer: no wheel" in page


@pytest.fixture
def case(tmp_path: Path) -> Case:
    np.save(tmp_path / "rows.npy", np.zeros((4, 2), dtype=np.float32))
    np.save(tmp_path / "codebooks.npy", np.zeros((1, 2, 2), dtype=np.float32))
    return Case(str(tmp_path / "rows.npy"), threads=1, k=2, codebooks=str(tmp_path / "codebooks.npy"))


def test_a_peer_that_is_not_installed_is_a_row_with_the_reason(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(processes, "PEERS_APART", tmp_path)
    missing = next(method for method in encode.METHODS if method.name == "semantic-id")
    (found,) = measure("encode", [missing], case, lambda arrays: {}, repeats=2, patience=1.0, say=lambda line: None)
    assert found.failed == "ModuleNotFoundError: No module named 'semantic_id'"
    assert found.seconds == []


def test_a_method_is_not_run_beyond_its_largest_codebook(case: Case):
    small = Method("peer", "peer", lambda case: lambda rows, seed: {}, largest_k=1, limit="takes a year")
    (found,) = measure("encode", [small], case, lambda arrays: {}, repeats=1, patience=1.0)
    assert found.failed == "not run: takes a year"


def test_a_process_that_dies_is_reported_with_the_last_it_said(case: Case, tmp_path: Path):
    log = tmp_path / "log"
    with Worker("no_such_task", case, "torch", log) as worker:
        answer = worker.ask(method="any")
    assert answer["failed"].startswith("its process ended with 1 ModuleNotFoundError")


def test_errors_are_mean_squared_distances():
    rows = np.array([[0.0, 0.0], [3.0, 4.0]], dtype=np.float32)
    codebooks = np.array([[[0.0, 0.0], [3.0, 3.0]], [[0.0, 1.0], [1.0, 0.0]]], dtype=np.float32)
    assert clustering_error(rows, codebooks[0]) == 0.5
    assert residual_error(rows, codebooks, np.array([[0, 1], [1, 0]])) == 0.5
    assert reconstruction_error(rows, np.zeros_like(rows)) == 12.5


def test_usage_counts_unused_codes_of_all_levels_and_perplexity_of_the_first():
    codes = np.array([[0, 1], [1, 1], [0, 1], [1, 1]])
    assert usage(codes, 3) == (pytest.approx(2.0), 1 + 2)
    assert unique_codes(codes) == 0.5


def test_grown_vectors_begin_with_the_originals_and_are_unit_vectors_from_a_seed():
    originals = mixture(50, 16)
    grown = grow(originals, 200)
    np.testing.assert_array_equal(grown[:50], originals)
    np.testing.assert_allclose(np.linalg.norm(grown, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(grown, grow(originals, 200))
    assert len(np.unique(grown, axis=0)) == 200


def test_too_few_vectors_of_ones_own_are_refused(tmp_path: Path):
    np.save(tmp_path / "own.npy", np.zeros((3, 2), dtype=np.float32))
    with pytest.raises(InputError, match="has 3 rows, 4 are measured"):
        vectors_for(tmp_path / "own.npy", 4)


def test_a_device_is_compared_with_the_cpu_by_what_it_finds():
    rows = device.measure(device.tasks(mixture(600, 96), epochs=1, k=64), 600, "cpu", repeats=1)
    assert len(rows) == 4
    assert all(set(row) == set(device.COLUMNS) and row["seconds"] > 0 for row in rows)
    assert [row["agreement"] for row in rows[:2]] == ["1.00000 of the codes"] * 2
    errors = [str(row["agreement"]).removeprefix("error ").split(" beside ") for row in rows[2:]]
    assert all(float(found) == float(expected) > 0 for found, expected in errors)
    page = device.page_of(rows, ["a machine"])
    assert page.startswith("- a machine\n")
    assert page.count("\n| ") == 6
