"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

# before torch is imported: on arrays this small threads only wait for each other
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the project; `SEMID_SHARED_DATA` names another place."""
    folder = Path(os.environ.get("SEMID_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data are not at {folder} (set SEMID_SHARED_DATA)")
    return folder
