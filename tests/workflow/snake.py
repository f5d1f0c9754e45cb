"""Calls of the real workflow in temporary working directories."""

import atexit
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
TINY = Path(__file__).with_name("tiny.yaml")
FORK_SERVER = Path(__file__).with_name("fork_server.py")
# seconds that a call may take
PATIENCE = 900


@dataclass(frozen=True)
class Run:
    """What a snakemake call said, and whether it succeeded."""

    ok: bool
    text: str

    @property
    def finds_all_made(self) -> bool:
        """Whether the call succeeded because every target was there already."""
        return self.ok and "Nothing to be done" in self.text

    @property
    def rules(self) -> dict[str, int]:
        """Jobs a rule, from the job statistics."""
        _, _, table = self.text.partition("Job stats:")
        rows = [line.split() for line in table.strip().split("\n\n")[0].splitlines()[2:]]
        return {name: int(count) for name, count in rows if name != "total"}


def call_snakemake(directory: Path, *arguments: str | Path, cores: int = 2, root: Path = ROOT) -> Run:
    """Call snakemake in `directory`; `arguments` are its options and targets."""
    server = _fork_server()
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as output:
        call = {
            "arguments": _arguments(directory, cores, root, arguments),
            "directory": str(root),
            "environment": _environment(),
            "output": output.name,
        }
        print(json.dumps(call), file=server.stdin, flush=True)
        if not select.select([server.stdout], [], [], PATIENCE)[0]:
            _end_fork_server()
            raise TimeoutError(f"not within {PATIENCE} s: snakemake {call['arguments']}, which said {output.read()}")
        status = int(server.stdout.readline())
        return Run(status == 0, output.read())


def start_snakemake(
    directory: Path, *arguments: str | Path, cores: int = 2, environment: dict[str, str] | None = None
) -> subprocess.Popen:
    """Start what :func:`call_snakemake` calls; what it says is in `said.txt` in `directory`."""
    command = [sys.executable, "-m", "snakemake", *_arguments(directory, cores, ROOT, arguments)]
    with (directory / "said.txt").open("w") as said:
        return subprocess.Popen(
            command,
            stdout=said,
            stderr=said,
            cwd=ROOT,
            env=_environment() | (environment or {}),
            start_new_session=True,
        )


@cache
def _fork_server() -> subprocess.Popen:
    """The process that forks itself for every call: it starts with the first, and ends with the tests."""
    # in a session of its own, so that all that it started can be ended together
    server = subprocess.Popen(
        [sys.executable, FORK_SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    atexit.register(_end_fork_server)
    return server


def _end_fork_server() -> None:
    if _fork_server.cache_info().currsize:
        server = _fork_server()
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        _fork_server.cache_clear()


def _arguments(directory: Path, cores: int, root: Path, arguments: tuple[str | Path, ...]) -> list[str]:
    directory.mkdir(parents=True, exist_ok=True)
    places = ("--snakefile", root / "Snakefile", "--directory", directory, "--cores", cores)
    return [str(argument) for argument in (*places, *arguments)]


def _environment() -> dict[str, str]:
    return {**os.environ, "HF_HUB_OFFLINE": "1"}


def copy_project(copy: Path) -> Path:
    """Copy what the workflow is made of, to be edited."""
    for name in ("rules", "workflow_scripts", "semid", "schemas", "envs", "profiles"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config.yaml"):
        shutil.copy2(ROOT / name, copy / name)
    return copy


def overlay(path: Path, content: dict[str, Any]) -> Path:
    """Write a config overlay."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path
