"""A full disk: a message that says which file and what to do, no output that looks whole, and then the same command."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from snake import Run, call_snakemake
from stages import WAVES, differs, hidden_files, without

from semid.data.connection import temporary_database

pytestmark = pytest.mark.system

Mount = Callable[[Path, str], None]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Put a file system of its own, of a size such as 1m, in place of a folder; once there, give it another size."""
    mounted: list[Path] = []

    def of_size(folder: Path, size: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        options = f"remount,size={size}" if folder in mounted else f"size={size}"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            pytest.skip(f"a small file system needs root and tmpfs: {getattr(error, 'stderr', error)}")
        mounted.append(folder)

    yield of_size
    for folder in set(mounted):
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave no byte of the disk of `folder` free; returns the file that does it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError:
                return filler


def test_a_full_disk_is_said_and_the_same_command_goes_on_later(
    mount: Mount, tiny_run: tuple[Path, Run], tmp_path: Path
) -> None:
    stages, directory = WAVES["preprocess to export"], tmp_path / "work"
    finished, _ = tiny_run
    for folder in ("data", "results"):
        mount(directory / folder, "32m")
    arguments = without(stages, finished, directory)
    # what the job of the export would delete first, and so make room for another job
    (directory / "results/tiny/rqkmeans_2x16/manifest.json").unlink()
    fillers = [fill(directory / folder) for folder in ("data", "results")]
    run = call_snakemake(directory, *arguments)
    assert not run.ok
    assert "Traceback" not in run.text
    folders = [
        *("data/raw_alone/.preprocess-", "results/items_alone/embeddings/", "results/tiny/rqvae_2x16/"),
        *("results/tiny/vqvae_32/codes/", "results/tiny/rqkmeans_2x16/", "results/tiny/faiss/"),
    ]
    said = re.findall(
        r"error: \[Errno 28\] No space left on device: '(.+)': make room on that disk and type the same command again",
        run.text,
    )
    assert not [folder for folder in folders if not any(folder in path for path in said)], run.text
    outputs = [output for stage in stages for output in stage.outputs]
    assert not [output for output in outputs if (directory / output).exists()]
    assert hidden_files(directory) == []

    for filler in fillers:
        mount(filler.parent, "64m")
    run = call_snakemake(directory, *arguments)
    assert run.ok, run.text
    assert not [output for output in outputs if differs(output, finished, directory)]


def test_a_full_disk_is_said_where_the_logs_are_on_it(mount: Mount, tiny_run: tuple[Path, Run], tmp_path: Path) -> None:
    directory, output = tmp_path / "work", "results/tiny/vqvae_32/items.parquet"
    mount(directory / "logs", "4m")
    mount(directory / "results", "8m")
    arguments = without((), tiny_run[0], directory)
    (directory / output).unlink()
    for folder in ("logs", "results"):
        fill(directory / folder)
    run = call_snakemake(directory, *arguments, output)
    assert not run.ok
    assert re.search(r"No space left on device: 'results/tiny/vqvae_32/[^']+': make room on that disk", run.text)


NUMBERS = "SELECT md5(i::VARCHAR) AS text FROM range(5_000_000) t(i)"


@pytest.mark.parametrize(
    "statement",
    [
        f"CREATE TABLE numbers AS {NUMBERS}",
        f"CREATE TEMP TABLE ordered AS SELECT max(row) FROM (SELECT row_number() OVER (ORDER BY text) AS row FROM "
        f"({NUMBERS}))",
        f"COPY ({NUMBERS}) TO '{{folder}}/rows.parquet' (FORMAT parquet)",
    ],
    ids=["its file", "what it spills", "parquet"],
)
def test_a_disk_that_duckdb_fills_is_named(statement: str, mount: Mount, tmp_path: Path) -> None:
    small = tmp_path / "small"
    mount(small, "48m")
    with (
        pytest.raises(OSError, match=r"No space left on device: '.*/small/\.preprocess-"),
        temporary_database(small, memory_limit=100, threads=1) as database,
    ):
        database.execute(statement.format(folder=database.folder))
    assert os.listdir(small) == []
