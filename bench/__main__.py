"""Measure, and write `results/bench/<task>.csv` and `bench.md`."""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from bench import encode, kmeans, machine, memory, opq, training
from bench.data import vectors_for
from bench.methods import Case
from bench.report import Row, add_ratios, as_csv, as_markdown, failures_of_semid, rows_of
from bench.tasks import NAMES
from semid.errors import InputError
from semid.files import write_text
from semid.quantizers import RQKMeans

LEVELS = 4


@dataclass(frozen=True)
class Large:
    """A tokenizer of large codebooks: its method, sizes, and what else its constructor takes.

    `variant`: what tells it from others of its method and sizes. `beams`: what it encodes with, one after the other.
    """

    method: str
    levels: int
    k: int
    options: Mapping[str, int]
    variant: str = ""
    beams: tuple[int, ...] = (1,)

    @property
    def name(self) -> str:
        return f"{self.method}-{self.variant}" if self.variant else self.method

    @property
    def settings(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.options.items())


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    rows: int = 100_000
    k: int = 256
    kmeans: tuple[tuple[int, int], ...] = ((256, 25), (4096, 10), (8192, 10))  # clusters, iterations
    beams: tuple[int, ...] = (1, 4, 16)
    large_rows: int = 50_000
    large_codebooks: tuple[tuple[int, int, tuple[int, ...]], ...] = ((1, 32_768, (1,)), (3, 8192, (1, 4)))
    training_rows: int = 12_086
    epochs: int = 60
    opq_levels: tuple[int, ...] = (4, 8)
    encoded_rows: int = 1_000_000
    clustered_rows: int = 200_000
    clusters: int = 32_768
    large: tuple[Large, ...] = (
        Large("rqkmeans", 3, 8192, {"kmeans_iters": 10}, beams=(1, 4)),
        Large("rqkmeans", 3, 8192, {"kmeans_iters": 10, "pca_dim": 32}, variant="pca32"),
        Large("vqvae", 1, 8192, {"kmeans_iters": 10, "epochs": 2}),
        Large("vqvae", 1, 32_768, {"kmeans_iters": 10, "epochs": 2}),
    )
    repeats: int = 5
    patience: float = 12.0


QUICK = Sizes(
    rows=3_000,
    kmeans=((64, 2),),
    beams=(1, 4),
    large_rows=2_500,
    large_codebooks=((2, 1024, (1, 4)),),
    training_rows=1_200,
    epochs=1,
    opq_levels=(4,),
    encoded_rows=20_000,
    clustered_rows=5_000,
    clusters=1_024,
    large=(
        Large("rqkmeans", 3, 1024, {"kmeans_iters": 2}, beams=(1, 4)),
        Large("vqvae", 1, 2048, {"kmeans_iters": 2, "epochs": 1}),
    ),
    repeats=2,
    patience=1.0,
)


@dataclass(frozen=True)
class Bench:
    """The files that the tasks read, and the sizes."""

    sizes: Sizes
    threads: int
    rows: Path
    training_rows: Path
    folder: Path
    dim: int

    def encode(self) -> list[Row]:
        sizes, tokenizer, some = self.sizes, self.folder / "tokenizer", self.folder / "some_rows.npy"
        np.save(some, np.load(self.rows, mmap_mode="r")[: sizes.large_rows])
        cases = [(self.rows, LEVELS, sizes.k, sizes.beams, 10)]
        cases += [(some, levels, k, beams, 3) for levels, k, beams in sizes.large_codebooks]
        rows = []
        for path, levels, k, beams, iterations in cases:
            codebooks = self.folder / "codebooks.npy"
            np.save(codebooks, self._fit(tokenizer, levels, k, iterations).codebooks_.numpy())
            case = Case(str(path), self.threads, k, levels, tokenizer=str(tokenizer), codebooks=str(codebooks))
            n = len(np.load(path, mmap_mode="r"))
            for at, found in encode.run(case, beams, sizes.repeats, sizes.patience):
                rows += rows_of("encode", n, self.dim, at, found)
        return rows

    def kmeans(self) -> list[Row]:
        rows = []
        for k, iterations in self.sizes.kmeans:
            case = Case(str(self.rows), self.threads, k, iterations=iterations)
            found = kmeans.run(case, self.sizes.repeats, self.sizes.patience)
            rows += rows_of("kmeans", self.sizes.rows, self.dim, case, found)
        return rows

    def training(self) -> list[Row]:
        case = Case(str(self.training_rows), self.threads, self.sizes.k, LEVELS, epochs=self.sizes.epochs)
        found = training.run(case, self.sizes.repeats, self.sizes.patience)
        return rows_of("training", self.sizes.training_rows, self.dim, case, found)

    def opq(self) -> list[Row]:
        rows = []
        for levels in self.sizes.opq_levels:
            case = Case(str(self.training_rows), self.threads, self.sizes.k, levels)
            measured = opq.run(case, self.sizes.repeats, self.sizes.patience)
            rows += rows_of("opq", self.sizes.training_rows, self.dim, case, measured)
        return rows

    def large(self) -> list[Row]:
        rows = []
        for number, large in enumerate(self.sizes.large):
            folder = str(self.folder / f"large_{number}")
            options = {"codebook_size": large.k, **large.options}
            if large.levels > 1:
                options["num_levels"] = large.levels
            size = {"n": self.sizes.rows, "k": large.k, "levels": large.levels, "dim": self.dim}
            fixed = {"task": "large", "version": version("semid"), "threads": self.threads, "repeats": 1, "failed": ""}
            fixed |= {"epochs": large.options.get("epochs", 0), "iterations": large.options["kmeans_iters"]}
            fixed |= {"settings": large.settings}
            found = memory.measure(
                "fit", self.threads, rows=str(self.rows), method=large.method, folder=folder, **options
            )
            rows.append({**fixed, **size, "method": f"{large.name}, fit", "beam": 1, **found})
            for beam in large.beams:
                changed = {"beam": beam} if beam > 1 else {}
                found = memory.measure("encode", self.threads, rows=str(self.rows), tokenizer=folder, **changed)
                rows.append({**fixed, **size, "method": f"{large.name}, encode", "beam": beam, **found})
        return rows

    def memory(self) -> list[Row]:
        sizes, tokenizer, vectors = self.sizes, self.folder / "tokenizer_for_memory", self.folder / "half_floats.npy"
        self._fit(tokenizer, LEVELS, sizes.k, 10)
        memory.write_half_floats(vectors, np.load(self.rows), max(sizes.encoded_rows, sizes.clustered_rows))
        clustering = {"n": sizes.clustered_rows, "k": sizes.clusters, "iterations": 2}
        fitting = {"num_levels": 2, "codebook_size": sizes.k, "kmeans_iters": 2}
        files = {"folder": str(self.folder / "fitted"), "scratch": str(self.folder)}
        measured = [
            (
                {"method": "encode", "settings": "float16 memmap", "limit_mb": 300.0},
                {"n": sizes.encoded_rows, "k": sizes.k, "levels": LEVELS, "beam": 1},
                memory.measure("encode", self.threads, rows=str(vectors), tokenizer=str(tokenizer)),
            ),
            (
                {"method": "k-means", "settings": "with its rows as float32", "limit_mb": 1000.0},
                {**clustering, "levels": 1, "beam": 1},
                memory.measure("kmeans", self.threads, rows=str(vectors), **clustering),
            ),
            (
                {"method": "rqkmeans, fit", "settings": "all rows, in a scratch file", "limit_mb": 300.0},
                {"n": sizes.encoded_rows, "k": sizes.k, "levels": 2, "beam": 1, "iterations": 2},
                memory.measure("fit", self.threads, rows=str(vectors), method="rqkmeans", **files, **fitting),
            ),
        ]
        fixed = {"task": "memory", "version": version("semid"), "dim": self.dim, "threads": self.threads}
        vectors.unlink()
        return [{**fixed, **what, **size, **found, "repeats": 1, "failed": ""} for what, size, found in measured]

    def _fit(self, folder: Path, levels: int, k: int, iterations: int) -> RQKMeans:
        tokenizer = RQKMeans(num_levels=levels, codebook_size=k, kmeans_iters=iterations).fit(np.load(self.rows))
        tokenizer.save_pretrained(folder)
        return tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--task", action="append", choices=NAMES, help="may be repeated; default: all")
    parser.add_argument("--quick", action="store_true", help="small sizes, to try it out; ranks nothing")
    parser.add_argument("--vectors", type=Path, help="a .npy file [n, dim] to measure on")
    parser.add_argument("--rows", type=int, help="rows to encode and cluster")
    parser.add_argument("--repeats", type=int, help="runs of a method")
    parser.add_argument("--threads", type=int, default=machine.cores(), help="of every library")
    parser.add_argument("--out", type=Path, help="folder; default results/bench, with --quick results/bench/quick")
    arguments = parser.parse_args()
    sizes = QUICK if arguments.quick else Sizes()
    changed = {name: getattr(arguments, name) for name in ("rows", "repeats") if getattr(arguments, name) is not None}
    if any(value < 1 for value in (arguments.threads, *changed.values())):
        parser.error("--rows, --repeats and --threads must be at least 1")
    sizes = replace(sizes, **changed)
    sizes = replace(sizes, training_rows=min(sizes.training_rows, sizes.rows))
    out = arguments.out or Path("results/bench/quick" if arguments.quick else "results/bench")
    try:
        page, rows = write_bench(
            arguments.task or NAMES, sizes, arguments.threads, arguments.vectors, out, arguments.quick
        )
    except InputError as error:
        sys.exit(f"bench: {error}")
    print(page)
    sys.exit("\n".join(failures_of_semid(rows)) or 0)


def write_bench(
    tasks: Sequence[str], sizes: Sizes, threads: int, vectors_file: Path | None, out: Path, quick: bool
) -> tuple[str, list[Row]]:
    """Measure, and write a CSV file a task and the page as each task ends. Return the page and all rows."""
    torch.set_num_threads(threads)
    described = machine.describe(threads)
    vectors, what = vectors_for(vectors_file, sizes.rows)
    trained, trained_what = vectors_for(vectors_file, sizes.training_rows)
    described += [what, f"training on {trained_what}"]
    if quick:
        described.append("small sizes, to try it out: ranks nothing")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "rows.npy", vectors)
        np.save(folder / "training_rows.npy", trained)
        dim = vectors.shape[1]
        del vectors, trained
        bench = Bench(sizes, threads, folder / "rows.npy", folder / "training_rows.npy", folder, dim)
        for task in tasks:
            measured = getattr(bench, task)()
            add_ratios(measured)
            write_text(out / f"{task}.csv", as_csv(measured))
            rows += measured
            # what was measured so far stays where a later task fails
            page = as_markdown(described, rows)
            write_text(out / "bench.md", page)
    return page, rows


if __name__ == "__main__":
    main()
