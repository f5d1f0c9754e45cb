"""Tokenizers and a generator on a device beside the CPU: `python -m bench.device` writes device.csv and device.md.

The generator is measured on the files of a finished run, which `--results` names. Each task runs on both, once before
to warm up; medians over repeats count. What both find is compared, because a fast wrong answer is none: the share of
equal codes, both errors, or the distance of vectors. `pytest -m gpu` has the tests.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from bench import machine
from bench.data import vectors_for
from bench.generator import Inputs, train_epochs
from bench.report import Row, as_csv
from bench.tables import write_tables
from semid.device import resolve_device
from semid.errors import InputError
from semid.generative.evaluation import user_states
from semid.generative.settings import GeneratorSettings
from semid.quantizers import VQVAE, Compute, RQKMeans
from semid.quantizers.autoencoder.tokenizer import VectorQuantizedAutoencoder
from semid.quantizers.kernels.kmeans import kmeans
from semid.quantizers.rqvae import RQVAE

COLUMNS = ("task", "rows", "device", "seconds", "seconds_cpu", "cpu_over_device", "device_mb", "agreement", "repeats")
# what a task found: codes or vectors, or an error alone
Found = np.ndarray | float
# from a device to a run on it
Task = Callable[[str], Callable[[], Found]]


def timed(run: Callable[[], Found], device: str, repeats: int) -> tuple[float, Found]:
    """The median of the seconds of a run that has ended on the device, and what it found."""
    seconds, found = [], run()
    for _ in range(repeats):
        started = time.perf_counter()
        found = run()
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        elif device == "mps":
            torch.mps.synchronize()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds), found


def agreement(found: Found, expected: Found) -> str:
    """How near what the device found is to what the CPU found."""
    if isinstance(found, np.ndarray) and isinstance(expected, np.ndarray):
        if np.issubdtype(found.dtype, np.floating):
            return f"{np.linalg.norm(found - expected) / np.linalg.norm(expected):.1e} of the length apart"
        return f"{(found == expected).all(axis=1).mean():.5f} of the codes"
    return f"error {float(found):.5f} beside {float(expected):.5f}"


def tasks(vectors: np.ndarray, epochs: int, k: int) -> dict[str, Task]:
    """What is measured of tokenizers, by its name. Those that encode were fitted on the CPU."""
    residual = RQKMeans(num_levels=4, codebook_size=256, kmeans_iters=5).fit(vectors)
    flat = VQVAE(codebook_size=k, kmeans_iters=3, epochs=0).fit(vectors)
    rows = torch.from_numpy(vectors)

    def encode(tokenizer: RQKMeans | VectorQuantizedAutoencoder) -> Callable[[str], Callable[[], Found]]:
        return lambda device: lambda: tokenizer.to(device).encode(vectors, Compute(device))

    def cluster(device: str) -> Callable[[], Found]:
        there = rows.to(device)
        return lambda: kmeans(there, k, iterations=10, tolerance=0.0).error

    def train(device: str) -> Callable[[], Found]:
        def run() -> Found:
            tokenizer = RQVAE(num_levels=4, codebook_size=256, epochs=epochs, keep="last")
            return float(tokenizer.fit(vectors, Compute(device)).history_[-1]["held_out_error"])

        return run

    return {
        "encode, rqkmeans 4x256": encode(residual),
        f"encode, vqvae {k}": encode(flat),
        f"k-means, {k} clusters, 10 iterations": cluster,
        f"train, rqvae 4x256, {epochs} epochs": train,
    }


def tasks_of_generator(inputs: Inputs, settings: GeneratorSettings) -> dict[str, Task]:
    """What is measured of a generator: an epoch of training, and the states of users."""
    queries = inputs.queries()

    def train(device: str) -> Callable[[], Found]:
        return lambda: float(train_epochs(inputs, settings, 1, device=device).history[0]["item_loss"])

    def states(device: str) -> Callable[[], Found]:
        model = inputs.generator(settings).to(device)
        return lambda: user_states(model, queries).cpu().numpy()

    return {"train, generator, an epoch": train, "states of users, generator": states}


def measure(named: dict[str, Task], n: int, device: str, repeats: int) -> list[Row]:
    """A row a task, each over so many rows: vectors, or users."""
    rows = []
    for name, task in named.items():
        counts_memory = device.startswith("cuda")
        if counts_memory:
            torch.cuda.reset_peak_memory_stats(device)
        there, found = timed(task(device), device, repeats)
        held = round(torch.cuda.max_memory_allocated(device) / 1e6) if counts_memory else ""
        here, expected = timed(task("cpu"), "cpu", repeats)
        what = {"task": name, "rows": n, "device": device, "device_mb": held, "repeats": repeats}
        times = {"seconds": round(there, 4), "seconds_cpu": round(here, 4), "cpu_over_device": round(here / there, 2)}
        rows.append({**what, **times, "agreement": agreement(found, expected)})
        print(f"{name}: {there:.3f} s on {device}, {here:.3f} s on the CPU, {rows[-1]['agreement']}", file=sys.stderr)
    return rows


def page_of(rows: Sequence[Row], described: Sequence[str]) -> str:
    """The rows as Markdown, under what they were measured on."""
    lines = [*(f"- {line}" for line in described), "", f"| {' | '.join(COLUMNS)} |", "| --- " * len(COLUMNS) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(str(row[name]) for name in COLUMNS)} |" for row in rows)]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.device", description=__doc__)
    parser.add_argument(
        "--device", default="auto", help="cuda, cuda:1, mps; cpu compares the CPU with itself, to try it"
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--codebook-size", type=int, default=4096, help="of the flat codebook and of k-means")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dataset", type=Path, default=Path("data/beauty"), help="splits that a generator learns from")
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("results/beauty"),
        help="its embeddings/ and the codes in rqkmeans_4x256/codes/; without them no generator is measured",
    )
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    arguments = parser.parse_args()
    codes = arguments.results / "rqkmeans_4x256" / "codes"
    inputs = None
    try:
        device = str(resolve_device(arguments.device))
        if codes.is_dir():
            inputs = Inputs.read(arguments.dataset, codes, arguments.results / "embeddings" / "manifest.json")
            users = len(inputs.queries())
    except (InputError, OSError) as error:
        sys.exit(f"bench: {error}")
    if arguments.device == "auto" and device == "cpu":
        sys.exit("bench: torch finds neither a CUDA nor an MPS device here, so that there is nothing to measure")
    vectors, what = vectors_for(None, arguments.rows)
    described = [*machine.describe(torch.get_num_threads(), device), what]
    named = tasks(vectors, arguments.epochs, arguments.codebook_size)
    rows = measure(named, len(vectors), device, arguments.repeats)
    if inputs is not None:
        described.append(f"{users:,} users of {arguments.dataset}, codes of {codes}")
        rows += measure(tasks_of_generator(inputs, GeneratorSettings()), users, device, arguments.repeats)
    else:
        print(f"{codes} is no folder: no generator is measured", file=sys.stderr)
    write_tables(arguments.out, "device", as_csv(rows, COLUMNS), page_of(rows, described))


if __name__ == "__main__":
    main()
