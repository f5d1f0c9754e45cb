"""`semid run`: a line for each job, what came out, Snakemake's status, and a clean end by Ctrl-C."""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import ended, until
from snake import ROOT, TINY, Run, overlay

COMMAND = (sys.executable, "-c", "from semid.cli import main; main()", "run")
ENDED = re.compile(r"^ *\d+/\d+ (FAILED )?[a-z]", re.MULTILINE)


def start(directory: Path, *words: object, output: int | None = None) -> subprocess.Popen:
    return subprocess.Popen(
        [*COMMAND, *map(str, words)],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if output is None else output,
        stderr=subprocess.STDOUT if output is None else output,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
        start_new_session=True,
        text=True,
    )


@pytest.fixture
def made(tiny_run: tuple[Path, Run], tmp_path: Path) -> Path:
    """A working directory in which all but the last tables of the tiny run are made."""
    directory = tmp_path / "work"
    shutil.copytree(tiny_run[0], directory)
    for name in ("offline_eval.csv", "tiny/vqvae_32/offline_eval.csv"):
        (directory / "results" / name).unlink()
    return directory


def test_a_line_a_job_then_what_came_out(made: Path) -> None:
    run = start(made, TINY)
    said, _ = run.communicate()
    assert run.returncode == 0, said
    lines = said.splitlines()
    words = re.fullmatch(r"Snakemake's own words are in (logs/snakemake-\S+\.log)", lines[0])
    assert words is not None
    assert "rule evaluate:" in (made / words[1]).read_text()
    jobs = [line.split()[1:-2] for line in lines if ENDED.match(line)]
    assert jobs == [["evaluate", "tiny", "vqvae_32"], ["collect", "evaluations"]]
    headline = next(line for line in lines if line.startswith("tiny: with 100 candidates"))
    assert "finds most: Recall@10 0." in headline
    assert headline.endswith("(synthetic: checks the plumbing, ranks nothing)")
    table = lines[lines.index(headline) + 1 :]
    assert table[0].split()[:3] == ["dataset", "tokenizer", "candidates"]
    assert len(table) <= 1 + 8 + 1
    assert "results/offline_eval.csv: " in table[-1]
    assert any("rows of interactions were dropped" in line for line in lines)


def test_in_a_terminal_the_same_lines_stay(made: Path) -> None:
    controller, terminal = pty.openpty()
    run = start(made, TINY, output=terminal)
    os.close(terminal)
    said = b""
    while block := _read(controller):
        said += block
    assert run.wait() == 0, said
    # what a bar was drawn over is not among the lines that stay: each is cleared before the next is drawn
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said.decode())
    assert "of 2 jobs" in text
    assert re.search(r"1/2 evaluate +tiny vqvae_32", text)
    assert re.search(r"2/2 collect evaluations", text)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        # the other end is closed
        return b""


def test_what_fails_is_named_with_its_log_and_the_status_is_that_of_snakemake(made: Path, tmp_path: Path) -> None:
    (made / "results/tiny/vqvae_32/inverted/offsets.npy").write_bytes(b"broken")
    run = start(made, TINY)
    said, _ = run.communicate()
    assert run.returncode == 1
    assert re.search(r"FAILED evaluate +tiny vqvae_32", said)
    assert re.search(
        r"^evaluate tiny vqvae_32 failed: error: .*\(logs/tiny/vqvae_32/evaluate.log\)$", said, re.MULTILINE
    )
    config = overlay(tmp_path / "wrong.yaml", {"evaluation": {"query": "best"}})
    run = start(made, TINY, config)
    said, _ = run.communicate()
    assert run.returncode == 1
    assert "evaluation: query: expected one of last, mean, decay, fit, found 'best'" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_leaves_no_lock_and_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    run = start(directory, TINY, "results/tiny/rqkmeans_2x16/items.parquet")
    with ended(run):
        until(lambda: (directory / "logs/tiny/preprocess.log").is_file(), "a job runs", run)
        run.send_signal(number)
        said, _ = run.communicate(timeout=60)
    assert run.returncode != 0, said
    assert not list((directory / ".snakemake").glob("locks/*"))
    run = start(directory, TINY, "data/tiny/items.parquet")
    said, _ = run.communicate()
    assert run.returncode == 0, said
    # jobs end by SIGINT at once; after SIGTERM Snakemake lets those that run come to their end
    assert said.splitlines()[-1] in ("done: all that was asked for is there", "nothing to be done: it is all there")
    assert (directory / "data/tiny/items.parquet").is_file()


def test_ctrl_c_ends_a_job_that_would_run_for_long(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    long = {"tokenizers": {"vqvae_32": {"epochs": 100_000, "batch_size": 4, "patience": 0, "keep": "last"}}}
    config = overlay(tmp_path / "long.yaml", {**long, "compute": {"training_threads": 1}})
    log = directory / "logs/tiny/vqvae_32/train.log"
    run = start(directory, TINY, config, "results/tiny/vqvae_32/config.json")
    with ended(run):
        until(lambda: log.exists() and "epoch 1 of" in log.read_text(), "a tokenizer is trained", run)
        run.send_signal(signal.SIGINT)
        said, _ = run.communicate(timeout=60)
    assert run.returncode != 0, said
    assert "interrupted: type the same command again to go on" in log.read_text()
    assert not list((directory / ".snakemake").glob("locks/*"))


def test_nothing_is_shown_as_done_that_was_there(tiny_run: tuple[Path, Run]) -> None:
    run = start(tiny_run[0], TINY, "results/tiny/rqkmeans_2x16/items.parquet")
    said, _ = run.communicate()
    assert run.returncode == 0, said
    assert said.splitlines()[-1] == "nothing to be done: it is all there"
    assert not ENDED.search(said)
