"""`kill -9` of the jobs and of snakemake at every stage: the same command completes, with the same bytes."""

import hashlib
import json
import os
import signal
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest
from processes import PATIENCE, ended, until
from snake import Run, call_snakemake, overlay, start_snakemake
from stages import WAVES, Stage, differs, hidden_files, without

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="watches processes in /proc")

# enough for all jobs of a wave to stand still at once
CORES = 32


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def strikes(folder: Path, stages: tuple[Stage, ...], killed: str) -> dict[str, str]:
    """Plan a strike at the moment of every stage; returns the environment of the jobs."""
    folder.mkdir()
    # snakemake comes second: what was struck at a later checkpoint goes on from the one before
    renames = {stage.moment: stage.nth if killed == "jobs" else 1 for stage in stages}
    (folder / "plan.json").write_text(json.dumps({"kill": killed == "jobs", "renames": renames}))
    paths = [str(Path(__file__).with_name("strike")), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"STRIKES": str(folder), "PYTHONPATH": os.pathsep.join(paths)}


def struck(folder: Path, stages: tuple[Stage, ...]) -> list[int]:
    """The jobs that were struck so far."""
    records = [folder / stage.moment.replace("/", ":") for stage in stages]
    return [int(text) for record in records if record.exists() and (text := record.read_text())]


def kill(killed: str, stages: tuple[Stage, ...], records: Path, directory: Path, *arguments: str | Path) -> None:
    """Run until every stage is at its moment, where the jobs kill themselves or snakemake is killed."""
    environment = strikes(records, stages, killed)
    stopped = start_snakemake(directory, *arguments, cores=CORES, environment=environment)
    said = directory / "said.txt"
    with ended(stopped):
        if killed == "snakemake":
            until(
                lambda: (
                    len(struck(records, stages)) == len(stages)
                    or stopped.poll() is not None
                    or "Error in rule" in said.read_text()
                ),
                "all jobs wait",
            )
            stopped.kill()
        assert stopped.wait(PATIENCE) != 0
        jobs = struck(records, stages)
        assert len(jobs) == len(stages), said.read_text()
        # a job must not write over what the next run makes
        until(lambda: not any(map(is_running, jobs)), "jobs end by themselves")


@pytest.mark.parametrize("wave", WAVES)
def test_the_same_command_completes_what_kill_9_stopped(wave: str, tiny_run: tuple[Path, Run], tmp_path: Path) -> None:
    """Its jobs are killed, and then, when the same command has come as far again, snakemake."""
    stages, directory = WAVES[wave], tmp_path / "work"
    finished, _ = tiny_run
    arguments = without(stages, finished, directory)
    outputs = [output for stage in stages for output in stage.outputs]
    checkpoints = [stage.moment for stage in stages if "checkpoint" in stage.moment]
    for killed in ("jobs", "snakemake"):
        kill(killed, stages, tmp_path / killed, directory, *arguments)
        there = [output for output in outputs if (directory / output).exists()]
        assert not {stage.moment for stage in stages} & set(there)
        assert not [output for output in there if differs(output, finished, directory)]
        assert all((directory / checkpoint).exists() for checkpoint in checkpoints)

    assert call_snakemake(directory, "--unlock", *arguments).ok
    run = call_snakemake(directory, *arguments)
    assert run.ok, run.text
    assert not [output for output in outputs if differs(output, finished, directory)]
    assert hidden_files(directory) == []
    if checkpoints:
        assert not (directory / checkpoints[0]).parent.exists()
        assert "training continues after epoch" in (directory / "logs/tiny/vqvae_32/train.log").read_text()


CONTENT = bytes(range(256)) * 8192
REVIEWS = "raw/review_categories/Toys.jsonl"


class FallsSilent(BaseHTTPRequestHandler):
    """Answers the first request with half of CONTENT and no more until the test ends, later ones in full."""

    def __init__(self, ranges: list[str], over: Event, *arguments: object) -> None:
        self.ranges, self.over = ranges, over
        super().__init__(*arguments)

    def do_GET(self) -> None:
        first = not self.ranges
        self.ranges.append(self.headers.get("Range", "bytes=0-"))
        start = int(self.ranges[-1].removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        self.wfile.write(CONTENT[start : len(CONTENT) // 2 if first else None])
        if first:
            self.wfile.flush()
            self.over.wait()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def ranges() -> Iterator[tuple[str, list[str]]]:
    """Address of a server that falls silent, and the ranges it was asked for."""
    asked, over = [], Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(FallsSilent, asked, over)) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        over.set()
        server.shutdown()
        thread.join()


def children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


@pytest.mark.parametrize("killed", ["job", "snakemake"])
def test_a_download_goes_on_where_kill_9_stopped_it(killed: str, ranges: tuple[str, list[str]], tmp_path: Path) -> None:
    address, asked = ranges
    checksums = tmp_path / "checksums.tsv"
    checksums.write_text(
        f"path\tsha256\tsize\n{REVIEWS}\t{hashlib.sha256(CONTENT).hexdigest()}\t{len(CONTENT)}\n", encoding="utf-8"
    )
    config = {
        "datasets": {"toys": {"source": "amazon2023", "category": "Toys"}},
        "download": {"base_url": address, "checksums": str(checksums)},
    }
    target = f"data/raw/toys/{REVIEWS}"
    arguments = ("--configfile", overlay(tmp_path / "toys.yaml", config), "--", f"{target}.verified")
    file = tmp_path / target
    partial_file = file.with_name(f".{file.name}.partial")
    stopped = start_snakemake(tmp_path, *arguments)
    with ended(stopped):
        until(lambda: partial_file.exists() and partial_file.stat().st_size > 0, "half of the file is there")
        (job,) = children(stopped.pid)
        os.kill(job if killed == "job" else stopped.pid, signal.SIGKILL)
        assert stopped.wait(PATIENCE) != 0
        until(lambda: not is_running(job), "the job ends by itself")
    assert not file.exists()
    received = partial_file.stat().st_size

    if killed == "snakemake":
        refused = call_snakemake(tmp_path, *arguments)
        assert not refused.ok
        assert "--unlock" in refused.text
        assert call_snakemake(tmp_path, "--unlock", *arguments).ok
    run = call_snakemake(tmp_path, *arguments)
    assert run.ok, run.text
    assert file.read_bytes() == CONTENT
    assert asked == ["bytes=0-", f"bytes={received}-"]
    assert hidden_files(tmp_path) == []
