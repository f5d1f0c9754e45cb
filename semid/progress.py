"""Progress of long work: a bar in a terminal; in a log, rows, rate and time left every ten seconds."""

import sys
import time
from types import TracebackType
from typing import Any, Self

# what is shown changes no result
__affects_results__ = False

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Count `total` units of work, shown on standard error unless `shown` is false.

    Use as a context manager and call :meth:`update` with the number of units just done.
    """

    def __init__(self, total: int, what: str, unit: str = "rows", shown: bool = True) -> None:
        self.total, self.what, self.unit, self.shown = total, what, unit, shown
        self.done = 0
        self._bar = _bar(total, what, unit) if shown and sys.stderr.isatty() else None
        self._started = self._printed = time.monotonic()

    def update(self, n: int) -> None:
        """Report that `n` more units are done."""
        self.done += n
        if self._bar is not None:
            self._bar.update(n)
        elif self.shown and time.monotonic() - self._printed >= SECONDS_BETWEEN_LINES:
            self._print()

    def end_early(self) -> None:
        """Report that no more units are needed: those that are done are the whole work."""
        self.total = self.done
        if self._bar is not None:
            self._bar.total = self.done
            self._bar.refresh()

    def _print(self) -> None:
        self._printed = time.monotonic()
        rate = self.done / max(self._printed - self._started, 1e-9)
        more = self.total - self.done
        left = more / rate if rate else float("inf") if more else 0.0
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
        elif self.shown:
            self._print()


def _bar(total: int, what: str, unit: str) -> Any:
    """Return a bar of tqdm, which is imported where a bar is shown."""
    from tqdm import tqdm

    return tqdm(total=total, desc=what, unit=f" {unit}")
