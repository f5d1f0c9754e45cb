"""A Slurm that exists only while tests need it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("slurm.sh")
# exit status of the script where there can be no Slurm
CANNOT = 3


@pytest.fixture(scope="session")
def slurm() -> Iterator[None]:
    """One node with two cores, the partition `main`, the account `research`, and two GPUs in name only."""
    up = subprocess.run([SCRIPT, "up", "--accounting"], stderr=subprocess.PIPE, text=True, timeout=300)
    if up.returncode == CANNOT:
        pytest.skip(up.stderr.strip().splitlines()[-1])
    assert up.returncode == 0, up.stderr
    yield
    subprocess.run([SCRIPT, "down"], check=True, timeout=120)
