"""A small run of the whole workflow on this machine, and a Slurm that exists only while tests need it."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from snake import TINY, Run, call_snakemake

SMALL = Path(__file__).with_name("small.yaml")
SCRIPT = Path(__file__).with_name("slurm.sh")
# exit status of the script where there can be no Slurm
CANNOT = 3


@pytest.fixture(scope="session")
def local_run(
    tiny_run: tuple[Path, Run], share_run: Callable[[str, Callable[[Path], Run]], tuple[Path, Run]]
) -> tuple[Path, Run]:
    """The working directory of a run without a batch system, and what it said. Tests may read it and dry-run in it.

    It begins with what the tiny run has: that takes the same jobs to make, by the same files.
    """

    def make(directory: Path) -> Run:
        shutil.copytree(tiny_run[0], directory)
        for tokenizer in ("rqvae_2x16", "vqvae_32"):
            shutil.rmtree(directory / "results/tiny" / tokenizer)
        done = call_snakemake(directory, "--configfile", TINY, SMALL, "--", "results/offline_eval.csv")
        assert done.ok, done.text
        return done

    return share_run("local", make)


@pytest.fixture(scope="session")
def slurm() -> Iterator[None]:
    """One node with two cores, the partition `main`, the account `research`, and two GPUs in name only."""
    up = subprocess.run([SCRIPT, "up", "--accounting"], stderr=subprocess.PIPE, text=True, timeout=300)
    if up.returncode == CANNOT:
        pytest.skip(up.stderr.strip().splitlines()[-1])
    assert up.returncode == 0, up.stderr
    yield
    subprocess.run([SCRIPT, "down"], check=True, timeout=120)
