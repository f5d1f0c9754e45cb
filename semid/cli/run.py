"""`semid run`: the workflow, with a line for each job instead of Snakemake's own words, which go to a file."""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from rich.console import Console

from semid.cli.events import RunState
from semid.cli.places import LOGGER, workflow_folder
from semid.cli.summary import headline, read_rows, table_of
from semid.cli.view import View, view_of
from semid.errors import InputError
from semid.terminal import printable

DEFAULT_TARGET = "results/offline_eval.csv"
CONFIG_ENDS = (".yaml", ".yml", ".json")
# what the workflow makes is there: `manifest.json` of an export is a target
FOLDERS_OF_TARGETS = ("results/", "data/")
# Signals that end the run, each by what is passed on. SIGINT goes to Snakemake and its jobs, as Ctrl-C in a terminal
# does: Snakemake alone would wait for jobs that run. After SIGTERM it does wait for them. Neither leaves a lock.
PASSED_ON = {signal.SIGINT: signal.SIGINT, signal.SIGTERM: signal.SIGTERM, signal.SIGHUP: signal.SIGINT}
SECONDS_BETWEEN_LOOKS = 0.25
LINES_OF_A_FAULT = 12


@dataclass(frozen=True)
class RunRequest:
    """What is to be run.

    configs: files over the default configuration; targets: files to be made; further: arguments of Snakemake as they
    are; verbose: its own words are shown instead of a line for each job.
    """

    configs: Sequence[Path] = ()
    targets: Sequence[str] = ()
    cores: str = "all"
    directory: Path = Path()
    further: Sequence[str] = ()
    verbose: bool = False

    def command(self) -> list[str]:
        """Return the call of Snakemake. Raises `InputError` where it is not installed, or a config is missing."""
        if find_spec("snakemake") is None:
            raise InputError("the workflow needs Snakemake and more: pip install 'semid[workflow,text,faiss,bundled]'")
        for config in self.configs:
            if not config.is_file():
                raise InputError(f"{config}: there is no such configuration")
        snakefile = workflow_folder() / "Snakefile"
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), "--cores", self.cores]
        command += ["--directory", str(self.directory)] if self.directory != Path() else []
        command += ["--configfile", *(str(config.absolute()) for config in self.configs)] if self.configs else []
        return [*command, *self.further, "--", *(self.targets or [DEFAULT_TARGET])]


def request_of(words: Sequence[str], **options: object) -> RunRequest:
    """Take the words behind `semid run` apart: configurations come first, targets after them."""
    number = next((place for place, word in enumerate(words) if not _is_config(word)), len(words))
    return RunRequest(tuple(map(Path, words[:number])), tuple(words[number:]), **options)  # type: ignore[arg-type]


def _is_config(word: str) -> bool:
    return word.endswith(CONFIG_ENDS) and not (word.endswith(".json") and word.startswith(FOLDERS_OF_TARGETS))


def run_workflow(request: RunRequest, console: Console) -> int:
    """Run the workflow and return Snakemake's status."""
    command = request.command()
    if request.verbose:
        with _signals_passed_on(process := subprocess.Popen(command, process_group=0)):
            return _status(process.wait())
    started = time.time()
    log = request.directory / "logs" / time.strftime("snakemake-%Y%m%d-%H%M%S.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    console.print(f"Snakemake's own words are in {log}", markup=False, highlight=False, soft_wrap=True)
    state = RunState(request.directory)
    reading, writing = os.pipe()
    environment = {**os.environ, "SEMID_EVENTS": str(writing), "PYTHONPATH": _with_logger()}
    command[3:3] = ["--logger", "semid"]
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=file, env=environment, pass_fds=[writing], process_group=0
        )
    os.close(writing)
    view = view_of(state, console)
    try:
        with _signals_passed_on(process):
            _follow(state, view, reading, process)
            status = _status(process.wait())
    finally:
        view.close()
        os.close(reading)
    _say_how_it_ended(request, state, status, log, started, console)
    return status


def _with_logger() -> str:
    return os.pathsep.join([str(LOGGER), *filter(None, [os.environ.get("PYTHONPATH")])])


@contextmanager
def _signals_passed_on(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Pass on the signals that this process gets to Snakemake, which has a process group of its own with its jobs."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        passed = PASSED_ON[signal.Signals(number)]
        if process.poll() is not None:
            return
        if passed == signal.SIGINT:
            os.killpg(process.pid, passed)
        else:
            process.send_signal(passed)

    before = {number: signal.signal(number, pass_on) for number in PASSED_ON}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _follow(state: RunState, view: View, reading: int, process: "subprocess.Popen[bytes]") -> None:
    """Show what happens until Snakemake has ended and all of its events are taken in."""
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(reading, selectors.EVENT_READ)
        while True:
            ready = selector.select(SECONDS_BETWEEN_LOOKS)
            if ready:
                block = os.read(reading, 1 << 16)
                if not block:
                    return
                *lines, rest = (rest + block).split(b"\n")
                for line in lines:
                    failed = len(state.failed)
                    job = state.take(line)
                    if job is not None:
                        view.ended(job, len(state.failed) > failed)
            elif process.poll() is not None:
                # a child of it may hold the pipe open
                return
            view.tick()


def _status(returncode: int) -> int:
    return 128 - returncode if returncode < 0 else returncode


def _say_how_it_ended(
    request: RunRequest, state: RunState, status: int, log: Path, started: float, console: Console
) -> None:
    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    if status:
        for job in state.failed:
            where = f" ({job.log})" if job.log else ""
            say(f"{job.stage} {job.whose} failed: {job.last_words() or f'see {log}'}{where}")
        if not state.failed:
            say("\n".join(_last_lines(log)))
    from semid.planning import loss_report

    losses = loss_report(state.datasets, started, request.directory)
    if losses:
        say(losses)
    table = request.directory / DEFAULT_TARGET
    if not status and DEFAULT_TARGET in (request.targets or [DEFAULT_TARGET]) and table.is_file():
        rows = read_rows(table)
        lines, left_out = table_of(rows)
        say("\n".join([*headline(rows), *lines]))
        say(f"{table}: {left_out} more rows, and more columns; semid report {table.parent} shows them on one page")
    elif not status:
        say("done: all that was asked for is there" if state.ended else "nothing to be done: it is all there")


def _last_lines(log: Path) -> list[str]:
    """Return the end of Snakemake's words, which say what is wrong before any job has run."""
    lines = [printable(line) for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    return [line for line in lines if line.strip()][-LINES_OF_A_FAULT:]
