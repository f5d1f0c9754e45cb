"""Measure methods, each in its own process, a repeat of every method after the other."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.methods import PEERS_APART, PROCESSES, Case, Method

ROOT = Path(__file__).resolve().parent.parent


def environment_of(process: str, threads: int) -> dict[str, str]:
    """The environment that a process of this kind starts with."""
    kind = PROCESSES[process]
    paths = [str(ROOT)] + ([str(PEERS_APART / kind.folder)] if kind.folder else [])
    # the variables of the caller would hide the difference that the processes are there to show
    inherited = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    return {**inherited, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": str(threads), **kind.environment}


class Worker:
    """A running `bench.worker`; leaves when its input closes."""

    def __init__(self, task: str, case: Case, process: str, log: Path) -> None:
        self._log = log
        with log.open("w") as errors:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "bench.worker", task, json.dumps(asdict(case))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment_of(process, case.threads),
            )

    def ask(self, **request: Any) -> dict[str, Any]:
        """The answer to a request, or why there is none."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            self._child.stdin.write(json.dumps(request) + "\n")
            self._child.stdin.flush()
            line = self._child.stdout.readline()
        except BrokenPipeError:
            line = ""
        if line:
            return json.loads(line)
        last = self._log.read_text(errors="replace").strip().splitlines()[-1:]
        return {"failed": " ".join([f"its process ended with {self._child.wait()}", *last])}

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._child.stdin is not None
        try:
            self._child.stdin.close()
            self._child.wait(timeout=10)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self._child.kill()
            self._child.wait()


@dataclass
class Measured:
    """Seconds and quality of each repeat of a method, or why it has none."""

    method: Method
    seconds: list[float] = field(default_factory=list)
    quality: list[dict[str, float]] = field(default_factory=list)
    version: str = ""
    blas: str = ""
    failed: str = ""


def measure(
    task: str,
    methods: Sequence[Method],
    case: Case,
    quality: Callable[[dict[str, np.ndarray]], dict[str, float]],
    *,
    repeats: int,
    patience: float,
    warm_up_rows: int = 0,
    say: Callable[[str], None] = print,
) -> list[Measured]:
    """Run each method `repeats` times with seeds 0, 1, …; interleaved, so that noise of the machine hits all.

    A method that has used `patience` seconds is not repeated. `warm_up_rows`: rows of an untimed first run.
    `quality` judges the arrays that a run gives, here, by the same code for every library.
    """
    measured = [Measured(method) for method in methods]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        output = folder / "output.npz"
        workers: dict[str, Worker] = {}
        for repeat in range(repeats):
            for measurement in measured:
                method = measurement.method
                if method.largest_k is not None and case.k > method.largest_k:
                    measurement.failed = f"not run: {method.limit}"
                is_enough = method.once or sum(measurement.seconds) >= patience
                if measurement.failed or (measurement.seconds and is_enough):
                    continue
                if method.process not in workers:
                    log = folder / f"{method.process}.log"
                    workers[method.process] = stack.enter_context(Worker(task, case, method.process, log))
                worker = workers[method.process]
                request = {"method": method.label, "seed": repeat, "output": str(output)}
                if repeat == 0 and warm_up_rows:
                    worker.ask(**request, rows=warm_up_rows)
                answer = worker.ask(**request, rows=0)
                if "failed" in answer:
                    measurement.failed = answer["failed"]
                    say(f"{task}: {method.label}: {measurement.failed}")
                    continue
                with np.load(output, allow_pickle=False) as arrays:
                    measurement.quality.append(quality(dict(arrays)))
                measurement.seconds.append(answer["seconds"])
                measurement.version, measurement.blas = answer["version"], answer["blas"]
                say(f"{task}: {method.label}: {answer['seconds']:.3f} s {measurement.quality[-1]}")
    return measured
