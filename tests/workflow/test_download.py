"""Categories of the 2023 release, downloaded from a mirror on loopback or put in place by hand."""

import gzip
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import serve
from snake import call_snakemake, overlay

from semid.data import SampleSettings, generate_sample

REVIEWS, META = "raw/review_categories/Toys.jsonl", "raw/meta_categories/meta_Toys.jsonl"
SPLIT = "benchmark/5core/last_out/Toys.test.csv"
ITEMS = "data/toys/items.parquet"


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of one category and checksums.tsv, their table."""
    folder = tmp_path_factory.mktemp("mirror")
    sample = folder / "reviews.jsonl.gz", folder / "meta.jsonl.gz"
    generate_sample(SampleSettings(items=100, users=300), *sample)
    contents = {
        **{path: gzip.decompress(file.read_bytes()) for path, file in zip((REVIEWS, META), sample, strict=True)},
        SPLIT: b"user_id,parent_asin,rating,timestamp\n",
    }
    rows = ["path\tsha256\tsize"]
    for path, content in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
        rows.append(f"{path}\t{hashlib.sha256(content).hexdigest()}\t{len(content)}")
    (folder / "checksums.tsv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def address(mirror: Path) -> Iterator[str]:
    """Where the mirror is served."""
    with serve(mirror) as address:
        yield address


def config_of(directory: Path, mirror: Path, base_url: str, category: str | list[str] = "Toys") -> Path:
    return overlay(
        directory / "toys.yaml",
        {
            "run": {"datasets": ["toys"]},
            "datasets": {"toys": {"source": "amazon2023", "category": category, "preprocess": {"k_core": 2}}},
            "download": {"base_url": base_url, "checksums": str(mirror / "checksums.tsv"), "retries": 0},
        },
    )


def test_a_category_is_downloaded_verified_and_preprocessed_once(mirror: Path, address: str, tmp_path: Path) -> None:
    config = config_of(tmp_path, mirror, address, category="all")
    run = call_snakemake(tmp_path, "--configfile", config, "--", ITEMS, f"data/raw/toys/{SPLIT}.verified")
    assert run.ok, run.text
    assert run.rules == {"download": 3, "verify": 3, "read_raw": 2, "preprocess": 1}
    for path in (REVIEWS, META, SPLIT):
        assert (tmp_path / "data/raw/toys" / path).read_bytes() == (mirror / path).read_bytes()

    elsewhere = config_of(tmp_path, mirror, "http://127.0.0.1:9")
    again = call_snakemake(tmp_path, "-n", "--configfile", elsewhere, "--", ITEMS)
    assert again.finds_all_made, again.text

    reviews = tmp_path / "data/raw/toys" / REVIEWS
    changed = reviews.read_bytes()[::-1]
    reviews.write_bytes(changed)
    replaced = call_snakemake(tmp_path, "--configfile", config, "--", ITEMS)
    assert not replaced.ok
    assert replaced.rules == {"verify": 1, "read_raw": 2, "preprocess": 1}
    assert f"{REVIEWS}: the SHA-256 is" in replaced.text
    assert reviews.read_bytes() == changed

    reviews.unlink()
    verified = f"data/raw/toys/{REVIEWS}.verified"
    removed = call_snakemake(tmp_path, "-n", "--configfile", config, "--", ITEMS, verified)
    # the rows of the items were read before the run failed
    assert removed.rules == {"download": 1, "verify": 1, "read_raw": 1, "preprocess": 1}


def test_files_put_there_by_hand_are_verified_and_never_replaced(mirror: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path, mirror, "http://127.0.0.1:9")
    for path in (REVIEWS, META):
        target = tmp_path / "data/raw/toys" / path
        target.parent.mkdir(parents=True)
        target.write_bytes((mirror / path).read_bytes())
        # older than the scripts, as a copy that keeps its times
        os.utime(target, (1_700_000_000, 1_700_000_000))
    before = {path: (tmp_path / "data/raw/toys" / path).stat().st_ino for path in (REVIEWS, META)}
    run = call_snakemake(tmp_path, "--configfile", config, "--", ITEMS)
    assert run.ok, run.text
    assert run.rules == {"verify": 2, "read_raw": 2, "preprocess": 1}
    assert {path: (tmp_path / "data/raw/toys" / path).stat().st_ino for path in before} == before


def test_an_unreachable_mirror_leaves_no_output(mirror: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path, mirror, "http://127.0.0.1:9")
    run = call_snakemake(tmp_path, "--configfile", config, "--", ITEMS)
    assert not run.ok
    assert "given up after 1 failures in a row" in run.text
    assert "Traceback" not in run.text
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]


def test_a_file_that_the_release_has_not_is_named_while_planning(mirror: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path, mirror, "http://127.0.0.1:9")
    target = f"data/raw/toys/{SPLIT.replace('Toys', 'Toy')}.verified"
    run = call_snakemake(tmp_path, "-n", "--configfile", config, "--", target)
    assert not run.ok
    assert f"is no file of the release; did you mean {SPLIT}" in run.text
