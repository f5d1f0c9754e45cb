"""What differs between the results of two runs is told, and what depends on the clock is not."""

import shutil
from pathlib import Path

import pytest

from bench.equal import differences

TABLE = "tokenizer,recall@10,seconds\nrqkmeans,0.5,1.0\nvqvae,0.6,2.0\n"


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """Two working directories with the same results."""
    before, after = tmp_path / "before", tmp_path / "after"
    (before / "results/tiny").mkdir(parents=True)
    (before / "data").mkdir()
    (before / "results/offline_eval.csv").write_text(TABLE)
    (before / "results/tiny/codes.npy").write_bytes(b"codes")
    (before / "results/tiny/scorecard.json").write_text('{"items": 3, "unique": 0.5}')
    (before / "results/manifest.json").write_text('{"when": "now"}')
    (before / "data/items.parquet").write_bytes(b"items")
    shutil.copytree(before, after)
    return before, after


def test_results_that_differ_in_times_order_of_columns_and_manifests_are_equal(runs: tuple[Path, Path]) -> None:
    before, after = runs
    assert differences(before, after) == []
    (after / "results/offline_eval.csv").write_text(
        "seconds,recall@10,tokenizer\n9.0,0.5,rqkmeans\n8.0,0.6,vqvae\n", encoding="utf-8"
    )
    (after / "results/tiny/scorecard.json").write_text('{"unique": 0.5, "items": 3}')
    (after / "results/manifest.json").write_text('{"when": "later"}')
    assert differences(before, after) == []


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("results/offline_eval.csv", TABLE.replace("0.6", "0.7"), "line 3: recall@10 is 0.7, was 0.6"),
        ("results/offline_eval.csv", TABLE.replace("recall@10", "recall"), "column recall@10 is gone"),
        ("results/offline_eval.csv", TABLE.rpartition("vqvae")[0], "1 rows instead of 2"),
        ("results/tiny/codes.npy", "Codes", "other bytes"),
        ("data/items.parquet", "item", "other bytes"),
        ("results/tiny/scorecard.json", '{"items": 4, "unique": 0.5}', "says something else"),
    ],
)
def test_a_difference_is_told_with_its_file(name: str, content: str, expected: str, runs: tuple[Path, Path]) -> None:
    before, after = runs
    (after / name).write_text(content, encoding="utf-8")
    assert differences(before, after) == [f"{name}: {expected}"]


def test_files_of_one_run_alone_are_named(runs: tuple[Path, Path]) -> None:
    before, after = runs
    (after / "results/tiny/codes.npy").rename(after / "results/tiny/others.npy")
    assert differences(before, after) == [
        "results/tiny/codes.npy: missing",
        "results/tiny/others.npy: not there before",
    ]


def test_runs_with_nothing_in_common_are_not_equal(tmp_path: Path) -> None:
    assert differences(tmp_path / "a", tmp_path / "b") == [
        f"{tmp_path / 'a'} and {tmp_path / 'b'} have no results in common"
    ]
