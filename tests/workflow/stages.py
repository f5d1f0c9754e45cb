"""Stages of the tiny run to make anew, several at once: what stops them there, and whether the end is the same."""

import csv
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from snake import TINY, overlay

# copies of tiny that have less: nothing, the raw files, the items
FRESH, RAW, ITEMS = "fresh", "raw_alone", "items_alone"
TIMINGS = {"query_us", "seconds"}


@dataclass(frozen=True)
class Stage:
    """The `outputs` of one job of the tiny run, or of a copy of it under another name.

    `moment` is the path that a file of the job is about to get, for the `nth` time, when the job is struck: where there
    are several files, some have their names by then and others not.
    """

    outputs: tuple[str, ...]
    moment: str
    nth: int = 1


def _in(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}" for name in names)


TOKENIZER = ("model.safetensors", "config.json")
PARTS = ("part-00000-of-00002.npy", "part-00001-of-00002.npy")
EVALUATION = ("offline_eval.csv", "ranks.parquet", "slices.csv")

# stages that do not wait for each other
WAVES: dict[str, tuple[Stage, ...]] = {
    "preprocess to export": (
        Stage(
            _in(f"data/{RAW}", *(f"{name}.parquet" for name in ("items", "train", "valid", "test")), "stats.json"),
            f"data/{RAW}/valid.parquet",
        ),
        Stage(
            _in(f"results/{ITEMS}/embeddings", *PARTS, "manifest.json"),
            f"results/{ITEMS}/embeddings/.part-00000-of-00002.npy.rows.partial",
        ),
        Stage(
            _in("results/tiny/rqvae_2x16", *TOKENIZER, "training.csv"),
            "results/tiny/rqvae_2x16/model.safetensors",
        ),
        Stage(_in("results/tiny/vqvae_32/codes", *PARTS), "results/tiny/vqvae_32/codes/part-00001-of-00002.npy"),
        Stage(_in("results/tiny/rqkmeans_2x16", "items.parquet"), "results/tiny/rqkmeans_2x16/items.parquet"),
        Stage(_in("results/tiny/faiss", "index.faiss"), "results/tiny/faiss/index.faiss"),
    ),
    "generate to inverted": (
        Stage(_in(f"data/raw/{FRESH}", "reviews.jsonl.gz", "meta.jsonl.gz"), f"data/raw/{FRESH}/meta.jsonl.gz"),
        Stage(
            _in(f"results/{ITEMS}/embeddings", *PARTS, "manifest.json"),
            f"results/{ITEMS}/embeddings/part-00001-of-00002.npy",
        ),
        Stage(_in("results/tiny/rqkmeans_2x16", *TOKENIZER), "results/tiny/rqkmeans_2x16/config.json"),
        Stage(
            _in("results/tiny/vqvae_32/inverted", "codes.npy", "offsets.npy", "items.npy"),
            "results/tiny/vqvae_32/inverted/offsets.npy",
        ),
        Stage(_in("results/tiny/faiss", "index.faiss"), "results/tiny/faiss/part-00001-of-00002.index"),
        Stage(
            _in("results/tiny/embeddings", "first_of_identical.npy"),
            "results/tiny/embeddings/first_of_identical.npy",
        ),
    ),
    "training to evaluation": (
        Stage(
            _in("results/tiny/vqvae_32", *TOKENIZER, "training.csv"),
            "results/tiny/vqvae_32/checkpoint/training.safetensors",
            nth=2,
        ),
        Stage(_in("results/tiny/rqkmeans_2x16", *EVALUATION), "results/tiny/rqkmeans_2x16/ranks.parquet"),
        Stage(
            _in("results/tiny/rqvae_2x16", "scorecard.json", "codebook.md"), "results/tiny/rqvae_2x16/scorecard.json"
        ),
        Stage(_in("results/tiny/controls", *EVALUATION), "results/tiny/controls/offline_eval.csv"),
    ),
}


def without(stages: tuple[Stage, ...], finished: Path, directory: Path) -> list[str | Path]:
    """Make `directory` what the `finished` tiny run was before these stages; return the arguments that run them."""
    shutil.copytree(finished, directory, dirs_exist_ok=True)
    for copy in (RAW, ITEMS):
        shutil.copytree(finished / "data/raw/tiny", directory / "data/raw" / copy)
    shutil.copytree(finished / "data/tiny", directory / "data" / ITEMS)
    outputs = [output for stage in stages for output in stage.outputs]
    for output in outputs:
        (directory / output).unlink(missing_ok=True)
    tiny = yaml.safe_load(TINY.read_text(encoding="utf-8"))["datasets"]["tiny"]
    copies = overlay(directory / "copies.yaml", {"datasets": dict.fromkeys((FRESH, RAW, ITEMS), tiny)})
    return ["--keep-going", "--configfile", TINY, copies, "--", *outputs]


def differs(output: str, finished: Path, directory: Path) -> bool:
    """Whether an output is not, byte for byte and but for times, what the finished tiny run has in its place."""
    copies = rf"/({FRESH}|{RAW}|{ITEMS})/"
    return _content(directory / output, copies) != _content(finished / re.sub(copies, "/tiny/", output), copies)


def _content(path: Path, copies: str) -> Any:
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            return [{name: row[name] for name in row.keys() - TIMINGS} for row in csv.DictReader(file)]
    # names its raw files
    return re.sub(copies, "/tiny/", path.read_text()) if path.name == "stats.json" else path.read_bytes()


def hidden_files(directory: Path) -> list[Path]:
    """What jobs keep beside their outputs while they run."""
    return [path for folder in ("data", "results") for path in (directory / folder).rglob(".*")]
