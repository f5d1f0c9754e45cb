"""Fixtures shared by all tests, and the order of the tests."""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from snake import TINY, Run, call_snakemake

# before torch is imported: on arrays this small threads only wait for each other
os.environ.setdefault("OMP_NUM_THREADS", "1")
# pytest's workers and their jobs share the cores, where threads that spin while they wait would stop each other
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

ROOT = Path(__file__).resolve().parent.parent


# files that take more than half a minute, the longest first
LONGEST = (
    "test_quality_bars",
    "test_crashes",
    "test_reruns",
    "test_documented_commands",
    "test_workflow",
    "test_shards",
    "test_real_data",
    "test_tokenizer_contract",
    "test_tokenizer_properties",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest files first, and unit tests last, so that pytest's workers end at about the same time.

    With `--dist=loadfile` each worker takes the next whole file as it comes to the end of one.
    """
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (places.get(item.path.stem, len(places)), item.path.parent.name == "unit"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the project; `SEMID_SHARED_DATA` names another place."""
    folder = Path(os.environ.get("SEMID_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data are not at {folder} (set SEMID_SHARED_DATA)")
    return folder


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Debian's browser, which no test downloads."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium here: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: see requirements.txt")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def share_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], Run]], tuple[Path, Run]]:
    """What makes a run of that name once, whichever of pytest's workers asks first, and gives each a copy of it."""
    place = tmp_path_factory.getbasetemp()
    place = place.parent if "PYTEST_XDIST_WORKER" in os.environ else place

    def share(name: str, make: Callable[[Path], Run]) -> tuple[Path, Run]:
        directory, said = place / name, place / f"{name}.json"
        with (place / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not said.exists():
                # what a call that raised has left
                shutil.rmtree(directory, ignore_errors=True)
                run = make(directory)
                assert run.ok, run.text
                said.write_text(json.dumps(asdict(run)), encoding="utf-8")
        copy = tmp_path_factory.mktemp(name) / "work"
        shutil.copytree(directory, copy)
        return copy, Run(**json.loads(said.read_text(encoding="utf-8")))

    return share


@pytest.fixture(scope="session")
def tiny_run(share_run: Callable[[str, Callable[[Path], Run]], tuple[Path, Run]]) -> tuple[Path, Run]:
    """The working directory of a whole run of tiny.yaml, and what it said. Tests may read it and dry-run in it."""
    return share_run(
        "tiny", lambda directory: call_snakemake(directory, "--configfile", TINY, "--", "results/offline_eval.csv")
    )
