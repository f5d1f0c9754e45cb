"""Calls of the real workflow in temporary working directories."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
TINY = Path(__file__).with_name("tiny.yaml")


@dataclass(frozen=True)
class Run:
    """What a snakemake call said, and whether it succeeded."""

    ok: bool
    text: str

    @property
    def rules(self) -> dict[str, int]:
        """Jobs a rule, from the job statistics."""
        _, _, table = self.text.partition("Job stats:")
        rows = [line.split() for line in table.strip().split("\n\n")[0].splitlines()[2:]]
        return {name: int(count) for name, count in rows if name != "total"}


def call_snakemake(directory: Path, *arguments: str | Path, cores: int = 2, root: Path = ROOT) -> Run:
    """Call snakemake in `directory`; `arguments` are its options and targets."""
    done = subprocess.run(
        _command(directory, cores, root, arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=root,
        env=_environment(),
        timeout=900,
    )
    return Run(done.returncode == 0, done.stdout)


def start_snakemake(
    directory: Path, *arguments: str | Path, cores: int = 2, environment: dict[str, str] | None = None
) -> subprocess.Popen:
    """Start what :func:`call_snakemake` calls; what it says is in `said.txt` in `directory`."""
    command = _command(directory, cores, ROOT, arguments)
    with (directory / "said.txt").open("w") as said:
        return subprocess.Popen(
            command,
            stdout=said,
            stderr=said,
            cwd=ROOT,
            env=_environment() | (environment or {}),
            start_new_session=True,
        )


def _command(directory: Path, cores: int, root: Path, arguments: tuple[str | Path, ...]) -> list[str]:
    directory.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "snakemake", "--snakefile", root / "Snakefile", "--directory", directory]
    return [*map(str, command), "--cores", str(cores), *map(str, arguments)]


def _environment() -> dict[str, str]:
    return {**os.environ, "HF_HUB_OFFLINE": "1"}


def overlay(path: Path, content: dict[str, Any]) -> Path:
    """Write a config overlay."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path
