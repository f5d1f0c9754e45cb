"""The package in environments of its own: with numpy 2, and on a newer Python."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from snake import ROOT

# they take minutes, and packages of a registry
pytestmark = pytest.mark.system

# what is tried of the library: the contract of all tokenizers
CONTRACT = ROOT / "tests" / "contract"
# modules that need neither numpy nor torch, and packages that their tests do need
TORCH_FREE = ("test_addresses.py", "test_checks.py", "test_generator_names.py", "test_templates.py")


def call(*command: object, directory: Path, environment: dict[str, str] | None = None) -> str:
    """Run a command in a directory, without this environment's packages on its path, and return what it said."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run(
        [*map(str, command)],
        cwd=directory,
        env=inherited | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert run.returncode == 0, run.stdout
    return run.stdout


def constraints(folder: Path, *but: str) -> Path:
    """Write the pinned versions, without those of some packages."""
    pins = (ROOT / "requirements.txt").read_text().splitlines()
    kept = [pin for pin in pins if pin.partition("==")[0].lower() not in but]
    path = folder / "constraints.txt"
    path.write_text("\n".join(kept))
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    call(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, directory=ROOT)
    return next(folder.glob("semid-*.whl"))


def test_the_library_gives_the_same_codes_with_numpy_2(wheel: Path, tmp_path: Path) -> None:
    call(sys.executable, "-m", "venv", tmp_path / "venv", directory=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    pins = constraints(tmp_path, "numpy")
    packages = ("numpy>=2", "pytest", "hypothesis", "pyyaml", "scikit-learn")
    call(python, "-m", "pip", "install", "--quiet", "-c", pins, wheel, *packages, directory=tmp_path)
    version = call(python, "-c", "import numpy; print(numpy.__version__)", directory=tmp_path)
    assert version.startswith("2.")
    random = np.random.default_rng(0)
    np.save(tmp_path / "vectors.npy", random.normal(size=(4000, 32)).astype(np.float32))
    fit = ("fit", "vectors.npy", "--levels", 3, "--codes", 64, "--threads", 1, "-o")
    call(tmp_path / "venv" / "bin" / "semid", *fit, "new", directory=tmp_path)
    call(sys.executable, "-m", "semid.cli", *fit, "old", directory=tmp_path, environment={"PYTHONPATH": str(ROOT)})
    assert pq.read_table(tmp_path / "new/items.parquet").equals(pq.read_table(tmp_path / "old/items.parquet"))
    said = call(tmp_path / "venv" / "bin" / "semid", "doctor", directory=tmp_path)
    assert "!  workflow   without duckdb, " in said
    call(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", CONTRACT, "-m", "not system", directory=ROOT)


def newer_python() -> tuple[str, dict[str, str]] | None:
    """Return the command of a Python 3.13 and what its environment needs; None where there is none."""
    try:
        versions = subprocess.run(["pyenv", "versions", "--bare"], capture_output=True, text=True).stdout.split()
    except FileNotFoundError:
        versions = []
    for chosen in ({}, *({"PYENV_VERSION": version} for version in versions if version.startswith("3.13"))):
        try:
            run = subprocess.run(["python3.13", "-c", "pass"], env={**os.environ, **chosen}, capture_output=True)
        except FileNotFoundError:
            return None
        if run.returncode == 0:
            return "python3.13", chosen
    return None


def test_the_metadata_resolves_on_python_3_13_and_what_needs_no_torch_runs_there(wheel: Path, tmp_path: Path) -> None:
    found = newer_python()
    if found is None:
        pytest.skip("there is no python3.13 here")
    command, environment = found
    call(command, "-m", "venv", tmp_path / "venv", directory=tmp_path, environment=environment)
    python = tmp_path / "venv" / "bin" / "python"
    pip = (python, "-m", "pip", "install", "--quiet")
    call(*pip, "--dry-run", wheel, directory=tmp_path)
    call(*pip, "pytest", "annotated-types", "jsonschema", "pyyaml", directory=tmp_path)
    call(*pip, "--no-deps", wheel, directory=tmp_path)
    tests = [ROOT / "tests" / "unit" / name for name in TORCH_FREE]
    call(python, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, directory=tmp_path)
