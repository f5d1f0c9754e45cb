"""Tokenizers on a device beside the CPU: `python -m bench.device`, which writes results/bench/device.csv and device.md.

Each task runs on both, once before to warm up; medians over repeats count. What both find is compared, because a fast
wrong answer is none: the share of equal codes, or both errors. `pytest -m gpu` has the tests.
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
from bench.report import Row, as_csv
from semid.device import resolve_device
from semid.errors import InputError
from semid.files import write_text
from semid.quantizers import VQVAE, Compute, RQKMeans
from semid.quantizers.autoencoder.tokenizer import VectorQuantizedAutoencoder
from semid.quantizers.kernels.kmeans import kmeans
from semid.quantizers.rqvae import RQVAE

COLUMNS = ("task", "rows", "device", "seconds", "seconds_cpu", "cpu_over_device", "agreement", "repeats")
# what a task found: codes, or an error alone
Found = np.ndarray | float


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
        return f"{(found == expected).all(axis=1).mean():.5f} of the codes"
    return f"error {float(found):.5f} beside {float(expected):.5f}"


def tasks(vectors: np.ndarray, epochs: int, k: int) -> dict[str, Callable[[str], Callable[[], Found]]]:
    """What is measured, by its name: from a device to a run on it. Tokenizers that encode were fitted on the CPU."""
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


def measure(vectors: np.ndarray, device: str, repeats: int, epochs: int, k: int) -> list[Row]:
    """A row a task."""
    rows = []
    for name, task in tasks(vectors, epochs, k).items():
        there, found = timed(task(device), device, repeats)
        here, expected = timed(task("cpu"), "cpu", repeats)
        what = {"task": name, "rows": len(vectors), "device": device, "repeats": repeats}
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
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    arguments = parser.parse_args()
    try:
        device = str(resolve_device(arguments.device))
    except InputError as error:
        sys.exit(f"bench: {error}")
    if arguments.device == "auto" and device == "cpu":
        sys.exit("bench: torch finds neither a CUDA nor an MPS device here, so that there is nothing to measure")
    vectors, what = vectors_for(None, arguments.rows)
    described = [*machine.describe(torch.get_num_threads()), what]
    if device.startswith("cuda"):
        described.append(torch.cuda.get_device_name(device))
    rows = measure(vectors, device, arguments.repeats, arguments.epochs, arguments.codebook_size)
    page = page_of(rows, described)
    write_text(arguments.out / "device.csv", as_csv(rows, COLUMNS))
    write_text(arguments.out / "device.md", page)
    print(page)


if __name__ == "__main__":
    main()
