"""Progress of long work: a bar in a terminal; in a log, rows, rate and time left every ten seconds."""

import sys
import time
from types import TracebackType
from typing import Self

from tqdm import tqdm

# what is shown changes no result
__affects_results__ = False

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Count `total` units of work, shown on standard error.

    Use as a context manager and call :meth:`update` with the number of units just done.
    """

    def __init__(self, total: int, what: str, unit: str = "rows") -> None:
        self.total, self.what, self.unit = total, what, unit
        self.done = 0
        self._bar = tqdm(total=total, desc=what, unit=f" {unit}") if sys.stderr.isatty() else None
        self._started = self._printed = time.monotonic()

    def update(self, n: int) -> None:
        """Report that `n` more units are done."""
        self.done += n
        if self._bar is not None:
            self._bar.update(n)
        elif time.monotonic() - self._printed >= SECONDS_BETWEEN_LINES:
            self._print()

    def _print(self) -> None:
        self._printed = time.monotonic()
        rate = self.done / max(self._printed - self._started, 1e-9)
        left = (self.total - self.done) / rate if rate else float("inf")
        print(
            f"{self.what}: {self.done:,} of {self.total:,} {self.unit}, {rate:,.0f} {self.unit}/s, {left:,.0f} s left",
            file=sys.stderr,
            flush=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        else:
            self._print()
