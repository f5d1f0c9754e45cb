"""What a person sees of a run: a line for every job that has ended, and what those that run are at."""

import re
import time
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from semid.cli.events import Job, RunState

# Where no terminal follows, silence lasts no longer.
SECONDS_OF_SILENCE = 12.0
REFRESHES_A_SECOND = 4
STAGE_WIDTH = 22
BAR_WIDTH = 20
# "5,000 of 10,000 rows", as logs of long work have it
_OF = re.compile(r"([\d,]+) of ([\d,]+)")


class View(Protocol):
    """Shows a run."""

    def ended(self, job: Job, failed: bool) -> None:
        """Show that a job has ended."""

    def tick(self) -> None:
        """Show what runs; called several times a second."""

    def close(self) -> None:
        """Leave the screen to others."""


def view_of(state: RunState, console: Console) -> View:
    """Return the view that a console can show."""
    return Screen(state, console) if console.is_terminal else Lines(state, console)


class Lines:
    """Plain lines: one for each job that has ended, and one of what runs after a while of silence."""

    def __init__(self, state: RunState, console: Console) -> None:
        self._state, self._console = state, console
        self._said = time.monotonic()

    def ended(self, job: Job, failed: bool) -> None:
        self._say(_ended_line(self._state, job, failed))

    def tick(self) -> None:
        if time.monotonic() - self._said < SECONDS_OF_SILENCE:
            return
        jobs = list(self._state.running.values())
        if not jobs:
            self._say(f"{'':8}{'waiting for jobs' if self._state.total else 'finding out what there is to do'}")
            return
        others = f" (and {len(jobs) - 1} more)" if len(jobs) > 1 else ""
        # the one that has run longest is what others wait for
        job = min(jobs, key=lambda job: job.started)
        self._say(f"{'':8}{_name(job)} {_duration(job.age)}{others}: {job.last_words() or 'it has begun'}")

    def close(self) -> None:
        pass

    def _say(self, line: str) -> None:
        self._said = time.monotonic()
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class Screen:
    """Below the lines of the jobs that have ended, a bar of the run and a line for each job that runs."""

    def __init__(self, state: RunState, console: Console) -> None:
        self._state, self._console = state, console
        self._started = time.monotonic()
        self._live = Live(
            self._running(), console=console, refresh_per_second=REFRESHES_A_SECOND, transient=True, auto_refresh=False
        )
        self._live.start()

    def ended(self, job: Job, failed: bool) -> None:
        line = Text(_ended_line(self._state, job, failed), no_wrap=True, overflow="ellipsis")
        if failed:
            line.stylize("bold red")
        self._live.console.print(line)

    def tick(self) -> None:
        self._live.update(self._running(), refresh=True)

    def close(self) -> None:
        self._live.stop()

    def _running(self) -> RenderableType:
        state = self._state
        grid = Table.grid(padding=(0, 1))
        for _ in range(3):
            grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for job in list(state.running.values()):
            words = job.last_words()
            name = Text(_name(job), no_wrap=True)
            grid.add_row(name, Text(_duration(job.age), style="dim"), _bar(words) or "", Text(words, style="dim"))
        total = ProgressBar(total=max(1, state.total), completed=state.done, width=BAR_WIDTH)
        line = Table.grid(padding=(0, 1))
        line.add_row(total, f"{state.done} of {state.total} jobs, {_duration(time.monotonic() - self._started)}")
        return Group(grid, line)


def _bar(words: str) -> ProgressBar | None:
    """Return the bar of what a log says last, "5,000 of 10,000"; None where it says none."""
    found = _OF.search(words)
    if found is None:
        return None
    done, total = (int(number.replace(",", "") or 0) for number in found.groups())
    return ProgressBar(total=max(1, total), completed=min(done, total), width=BAR_WIDTH)


def _name(job: Job) -> str:
    return f"{job.stage:<{STAGE_WIDTH}} {job.whose}".rstrip()


def _ended_line(state: RunState, job: Job, failed: bool) -> str:
    count = f"{state.done + 1}/{state.total}"
    return f"{count:>7} {'FAILED ' if failed else ''}{_name(job):<60} {_duration(job.seconds):>8}"


def _duration(seconds: float) -> str:
    """Return a duration in words: `0.8 s`, `35 s`, `2:05`, `1:02:05`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
