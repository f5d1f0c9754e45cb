"""Processes that tests start, watch and end."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

# seconds: a machine that does other work too is slow
PATIENCE = 600

Value = TypeVar("Value")


def until(
    condition: Callable[[], Value], what: str, process: subprocess.Popen | None = None, seconds: float = PATIENCE
) -> Value:
    """Wait for the first true value of `condition` and return it; `process` must live until then."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert process is None or process.poll() is None, f"the process ended before: {what}"
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return value


@contextmanager
def ended(process: subprocess.Popen) -> Iterator[None]:
    """End the process and its jobs, whatever the test makes of it."""
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
