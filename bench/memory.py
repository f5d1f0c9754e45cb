"""Seconds and anonymous memory (RssAnon, without memmapped pages) that semid adds to the imported library.

Each measurement is a fresh process: `python -m bench.memory NAME JSON`.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from bench.processes import environment_of

SECONDS_BETWEEN_SAMPLES = 0.01


def rss_anon(process: Path = Path("/proc/self")) -> int:
    """Anonymous resident memory of a process, a folder of /proc, in bytes; an OSError of one that has ended."""
    for line in (process / "status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{process}/status has no RssAnon: the process has ended, or this is no Linux 4.5 or later")


@contextmanager
def sampling(sample: Callable[[], None], seconds: float) -> Iterator[None]:
    """Call `sample` in a thread of its own, every so many seconds, until the block ends."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(seconds):
            sample()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def sampled():
    """Yield a list; after the block it holds the highest anonymous memory, sampled every 10 ms."""
    highest = [rss_anon()]

    def sample() -> None:
        highest[0] = max(highest[0], rss_anon())

    with sampling(sample, SECONDS_BETWEEN_SAMPLES):
        yield highest


def encode(rows: str, tokenizer: str, **options: Any) -> Callable[[], object]:
    """Read the tokenizer, with `options` in place of its own, and encode a memmap."""
    from semid.quantizers import Tokenizer

    def run() -> object:
        read = Tokenizer.from_pretrained(tokenizer)
        for name, value in options.items():
            setattr(read, name, value)
        return read.encode(np.load(rows, mmap_mode="r"))

    return run


def kmeans(rows: str, n: int, k: int, iterations: int) -> Callable[[], object]:
    """Cluster the first `n` rows of a float16 memmap; the rows as float32 count too."""
    import torch

    from semid.quantizers.kernels.kmeans import kmeans as cluster

    def run() -> object:
        part = torch.from_numpy(np.load(rows, mmap_mode="r")[:n].astype(np.float32))
        return cluster(part, k, iterations=iterations, tolerance=0.0)

    return run


def fit(rows: str, method: str, folder: str, scratch: str | None = None, **options: Any) -> Callable[[], object]:
    """Fit a tokenizer to all rows, as float32 in memory or in a file in `scratch`, and save it in `folder`."""
    from semid.methods import METHODS
    from semid.quantizers import Compute

    tokenizer, compute = METHODS[method].load()(**options, max_train=0), Compute(scratch=scratch)
    return lambda: tokenizer.fit(np.load(rows, mmap_mode="r"), compute=compute).save_pretrained(folder)


def job(run: str, **arguments: Any) -> Callable[[], object]:
    """What the function of the import string `run`, such as `bench.million:score`, measures."""
    module, _, function = run.partition(":")
    return getattr(import_module(module), function)(**arguments)


MEASUREMENTS: dict[str, Callable[..., Callable[[], object]]] = {
    "encode": encode,
    "kmeans": kmeans,
    "fit": fit,
    "job": job,
}


def measure(name: str, threads: int, **arguments: Any) -> dict[str, float]:
    """`seconds`, and `anonymous_mb` and `imported_mb`: what the work adds to what the imported library holds."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.memory", name, json.dumps(arguments)],
        stdout=subprocess.PIPE,
        env=environment_of("torch", threads),
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def write_half_floats(path: Path, vectors: np.ndarray, n: int) -> None:
    """`n` rows of float16 at `path`: vectors [m, dim] over and over."""
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(n, vectors.shape[1]))
    for start in range(0, n, len(vectors)):
        out[start : start + len(vectors)] = vectors[: n - start]
    out.flush()


if __name__ == "__main__":
    run = MEASUREMENTS[sys.argv[1]](**json.loads(sys.argv[2]))
    imported = rss_anon()
    with sampled() as highest:
        started = time.perf_counter()
        run()
        seconds = time.perf_counter() - started
    megabytes = {"anonymous_mb": (highest[0] - imported) / 1e6, "imported_mb": imported / 1e6}
    print(json.dumps({"seconds": seconds, **megabytes}))
