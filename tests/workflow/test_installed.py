"""The wheel: the workflow travels inside of it, and runs from an empty folder as it does in a checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from snake import ROOT, TINY

FOLDERS = ("config", "envs", "profiles", "rules", "schemas", "workflow_scripts")
TABLE = "results/tiny/rqkmeans_2x16/offline_eval.csv"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=ROOT, check=True)
    return next(folder.glob("semid-*.whl"))


def installed(wheel: Path, folder: Path) -> Path:
    """Install the wheel, without what it needs, into a folder of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(folder)]
    subprocess.run([*pip, str(wheel)], check=True)
    return folder


def call_semid(folder: Path, directory: Path, *words: object) -> str:
    """Call the command that was installed in `folder`, in a working directory, and return what it said."""
    run = subprocess.run(
        [sys.executable, "-P", str(folder / "bin" / "semid"), *map(str, words)],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(folder), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_the_wheel_carries_the_workflow_and_says_that_it_is_typed(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    tracked = [path for path in files if "__pycache__" not in path.parts]
    carried = {
        f"semid/_workflow/{path.relative_to(ROOT)}" for path in (*tracked, ROOT / "Snakefile", ROOT / "config.yaml")
    }
    assert {name for name in names if name.startswith("semid/_workflow/")} == carried
    data = {"semid/py.typed", "semid/data/sample/vocabulary.toml", "semid/data/sources/amazon2023.tsv"}
    assert data <= names
    # nothing else becomes a top-level module
    assert {name.split("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")} == {"semid"}


def test_what_is_installed_runs_in_an_empty_folder_and_its_reinstallation_plans_nothing(
    wheel: Path, tmp_path: Path
) -> None:
    folder = installed(wheel, tmp_path / "site")
    directory = tmp_path / "work"
    directory.mkdir()
    shutil.copy2(TINY, directory / "tiny.yaml")
    said = call_semid(folder, directory, "run", "tiny.yaml", TABLE)
    assert (directory / TABLE).is_file()
    assert "evaluate" in said
    ran = (directory / said.splitlines()[0].rpartition(" ")[2]).read_text()
    assert str(folder / "semid" / "_workflow") in ran
    assert str(ROOT) not in ran.replace(sys.prefix, "")
    installed(wheel, folder)
    said = call_semid(folder, directory, "run", "tiny.yaml", TABLE)
    assert said.splitlines()[-1] == "nothing to be done: it is all there"
